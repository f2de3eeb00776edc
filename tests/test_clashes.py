"""Mending of overlapping atoms."""

import pytest
import torch

from openmm_mdgen.geometry.internal import CHI1, PHI, InternalCoordinates
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.clashes import APOLAR, BENDS, HEAVY, POLAR, ClashRepair, far_pairs, free_torsions, radii
from tests.helpers.tiny import internal, positions, structure


@pytest.fixture(scope="module")
def chain():
    """Internal coordinates, decoding and positions of QGRE."""
    coordinates, start = internal("QGRE"), positions("QGRE").double()
    geometry = coordinates.geometry(start)
    return coordinates, lambda x: coordinates.decode(x, geometry), start


def overlapping(chain, seed: int = 0) -> torch.Tensor:
    """Internal coordinates (40, L, 16), torsions at random, the first frame as it was."""
    coordinates, _, start = chain
    values = coordinates.encode(start.repeat(40, 1, 1))
    turns = torch.rand(values[1:, :, 1:7].shape, generator=torch.Generator().manual_seed(seed), dtype=values.dtype)
    values[1:, :, 1:7] = 6.28 * turns
    return values


def heavy_chain() -> tuple[InternalCoordinates, torch.Tensor]:
    """Internal coordinates and positions of QGRE without its hydrogens."""
    peptide = Peptide.from_structure(structure("QGRE"))
    kept = sorted(peptide.heavy.values())
    heavy = {slot: kept.index(atom) for slot, atom in peptide.heavy.items()}
    return InternalCoordinates(peptide.residue_types, heavy, {}, len(kept)), positions("QGRE")[kept].double()


def test_pairs_are_four_bonds_apart(chain):
    coordinates, _, _ = chain
    pairs = {tuple(pair) for pair in far_pairs(coordinates).T.tolist()}
    bonds = [*coordinates.bonds, *coordinates.hydrogens.items()]
    near = {atom: {b if a == atom else a for a, b in bonds if atom in (a, b)} for atom in range(coordinates.n_atoms)}
    for atom in near:
        reached = {atom}
        for _ in range(3):
            reached |= {further for k in reached for further in near[k]}
        assert {b for a, b in pairs if a == atom} == {b for b in near if b not in reached and b > atom}


def test_radii_by_kind(chain):
    coordinates, _, _ = chain
    names, found = structure("QGRE").names, radii(chain[0])
    by_kind = {"CA": HEAVY, "NE": HEAVY, "HA": APOLAR, "HD2": APOLAR, "HE": POLAR, "HH11": POLAR, "H": POLAR}
    for name, radius in by_kind.items():
        assert found[[k for k, other in enumerate(names) if other == name]].tolist() == pytest.approx(
            [radius] * names.count(name)
        )
    assert set(found[coordinates.heavy_atoms].tolist()) == {HEAVY}


def test_room_is_the_smallest_distance_over_its_limit(chain):
    coordinates, decode, _ = chain
    frames = decode(overlapping(chain))
    limits = radii(coordinates)
    expected = [
        min(float((x[a] - x[b]).norm() / (limits[a] + limits[b])) for a, b in far_pairs(coordinates).T.tolist())
        for x in frames[:3]
    ]
    room = ClashRepair(coordinates, decode).room(frames)
    assert room[:3].tolist() == pytest.approx(expected)
    assert room[0] > 1  # the structure itself


@pytest.mark.parametrize("hydrogens", [True, False])
def test_random_torsions_overlap_less_after_mending(chain, hydrogens):
    coordinates, start = (chain[0], chain[2]) if hydrogens else heavy_chain()
    geometry = coordinates.geometry(start)
    repair = ClashRepair(coordinates, lambda x: coordinates.decode(x, geometry))
    values = overlapping(chain)
    if hydrogens:  # torsions at random leave no room for them
        values[1:] = values[:1] + 0.12 * (values[1:] - values[:1])
    frames = coordinates.decode(values, geometry)
    before = repair.room(frames) < 1
    assert before.sum() > 5
    _, mended = repair(values, frames, seed=1)
    assert (repair.room(mended) < 1).sum() < 0.5 * before.sum()
    torch.testing.assert_close(mended[~before], frames[~before], rtol=0, atol=0)


def test_the_first_candidate_without_overlap_is_taken(chain):
    """And where all overlap, the one that does so least."""
    coordinates, decode, _ = chain
    values = overlapping(chain)
    repair = ClashRepair(coordinates, decode)
    bad = (repair.room(decode(values)) < 1).nonzero().squeeze(-1)
    candidates = repair._candidates(values, bad, torch.Generator().manual_seed(1), repair._turns)
    room = torch.stack([repair.room(decode(some)) for some in candidates])
    mended, _ = repair(values, decode(values), seed=1)
    first = [next((k for k, r in enumerate(column) if r >= 1), int(column.argmax())) for column in room.T]
    assert len(set(first)) > 2 and max(first) >= len(BENDS)
    torch.testing.assert_close(mended[bad], candidates[first, torch.arange(len(bad))], rtol=0, atol=0)


def test_only_what_may_turn_is_changed(chain):
    """One side chain: neither bending nor borrowing touches anything else."""
    coordinates, decode, _ = chain
    values = overlapping(chain)
    turns = torch.zeros_like(coordinates.exists)
    turns[2, CHI1:7] = True
    repair = ClashRepair(coordinates, decode, turns=turns)
    mended, frames = repair(values, decode(values), seed=1)
    changed = (mended != values).any(0)
    assert changed[2, CHI1] and not (changed & ~turns).any()
    assert (repair.room(frames) < 1).sum() <= (repair.room(decode(values)) < 1).sum()
    assert not torch.equal(ClashRepair(coordinates, decode)(values, frames, seed=1)[0][..., PHI], values[..., PHI])


def test_nothing_to_mend_in_a_short_molecule():
    """A molecule whose atoms are all near each other always has room."""
    coordinates = InternalCoordinates(("GLY",), {(0, n): k for k, n in enumerate(("N", "CA", "C", "O"))}, {}, 4)
    repair = ClashRepair(coordinates, lambda x: x)
    assert repair.room(torch.zeros(2, 4, 3)).tolist() == [torch.inf] * 2


def test_returned_coordinates_belong_to_the_frames(chain):
    _, decode, _ = chain
    values = overlapping(chain)
    mended, frames = ClashRepair(chain[0], decode)(values, decode(values), seed=1)
    torch.testing.assert_close(decode(mended), frames)


def test_pure_function_of_block_and_seed(chain):
    _, decode, _ = chain
    repair, values = ClashRepair(chain[0], decode), overlapping(chain)
    first, again, other = (repair(values, decode(values), seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_omega_lengths_and_angles_stay(chain):
    _, decode, _ = chain
    values = overlapping(chain)
    mended, _ = ClashRepair(chain[0], decode)(values, decode(values), seed=1)
    torch.testing.assert_close(mended[..., 0], values[..., 0])
    torch.testing.assert_close(mended[..., 7:], values[..., 7:])
    assert not torch.equal(mended[..., CHI1], values[..., CHI1])


def test_a_frame_that_nothing_mends_repeats_the_nearest_that_is_whole(chain):
    coordinates, decode, start = chain
    whole = coordinates.encode(start.repeat(1, 1, 1))
    knot = whole.clone()
    knot[..., :7] = 0.0
    block = torch.cat((knot, whole, knot))
    frames, nothing_turns = decode(block), torch.zeros_like(coordinates.exists)
    plain, thorough = (ClashRepair(coordinates, decode, nothing_turns, thorough=t) for t in (False, True))
    assert (plain.room(frames) < 1).tolist() == [True, False, True]
    assert (plain.room(plain(block, frames, 0)[1]) < 1).tolist() == [True, False, True]
    mended, built = thorough(block, frames, 0)
    assert (thorough.room(built) >= 1).all() and torch.equal(mended[0], block[1])


def test_a_mended_frame_is_repeated_where_none_was_whole(chain):
    """One frame whose side chains can be turned apart, and a knot that no side chain undoes."""
    coordinates, decode, _ = chain
    turns = free_torsions(coordinates)
    turns[:, :CHI1] = False
    values = overlapping(chain)
    repair = ClashRepair(coordinates, decode, turns, thorough=True)
    knot, repeated = values[1].clone(), 0
    knot[:, :7] = 0.0
    for mild in values[1:21]:
        block = torch.stack((mild, knot))
        if (repair.room(decode(block)) >= 1).any():
            continue
        mended, built = repair(block, decode(block), 0)
        first, second = (repair.room(built) >= 1).tolist()
        assert first == second
        repeated += second and torch.equal(mended[1], mended[0])
    assert repeated
