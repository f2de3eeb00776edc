"""Design with a tiny untrained network: probabilities, ranks, what may not leak, trajectories of designed sequences."""

import functools
import itertools

import MDAnalysis as mda
import numpy as np
import pytest

import openmm_mdgen
from openmm_mdgen.convert.structures import atomgroup_to_structure, load_structure, topology_to_structure
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks import model
from openmm_mdgen.tasks.design import LETTERS, Design
from openmm_mdgen.trajectory.memory import frames_to_universe
from tests.helpers.tiny import (
    DATA,
    c_n_lengths,
    identities,
    inpaint_task,
    moving,
    moving_universe,
    random_motion,
    rearranged,
    simulate_task,
    structure,
)

design = functools.partial(openmm_mdgen.design, model=inpaint_task(), identities=identities())
FREQUENCIES = identities().frequencies.numpy()


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    """Whatever this processor is fast at, so that tolerances are the same everywhere."""
    monkeypatch.setattr(model, "has_fast_bf16", lambda device: False)


def guess(name: str = "QGRE", residues=(1, 2), frames: np.ndarray | None = None, **changes):
    frames = moving(name, 12) if frames is None else frames
    return Design.from_model(inpaint_task(), identities=identities(), **changes).read(
        structure(name), residues, frames, 10.0
    )


@pytest.fixture(scope="module")
def result():
    """Two sequences for residue 2 of QGRE; the network is as it is on any processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "has_fast_bf16", lambda device: False)
        return design(moving_universe("QGRE"), [2], n_sequences=2)


# probabilities ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residues", [(0,), (1, 2), (3,), (0, 2, 3)], ids=str)
def test_probabilities(residues):
    found = guess(residues=residues).probabilities()
    assert found.shape == (len(residues), 20) and (found > 0).all()
    np.testing.assert_allclose(found.sum(1), 1)
    assert LETTERS == "ARNDCQEGHILKMFPSTWYV"


@pytest.mark.parametrize(
    ("name", "residues", "informed"),
    [
        ("QGRE", (1,), [True]),
        ("QGRE", (1, 2), [True, True]),
        ("QGRE", (0,), [False]),
        ("QGRE", (2, 3), [False, False]),
        ("ITVLHC", (1, 3, 5), [True, True, False]),
        ("ITVLHC", (1, 2, 3), [False, False, False]),
    ],
)
def test_where_the_motion_says_something(name, residues, informed):
    """Of one or two residues between given ones; elsewhere the training set's frequencies are all there is."""
    found = guess(name, residues)
    assert found.informed.tolist() == informed
    for known, row in zip(informed, found.probabilities(), strict=True):
        assert known != np.allclose(row, FREQUENCIES)


def test_what_is_not_asked_is_told():
    with pytest.warns(
        MDGenWarning, match=r"the motion was not asked for residue 1: 'tiny-design' knows runs of up to 2"
    ):
        found = design(moving_universe("QGRE"), [1, 3], n_sequences=1)
    np.testing.assert_allclose(found.probabilities[0], FREQUENCIES)
    assert not np.allclose(found.probabilities[1], FREQUENCIES)


def test_ranks_are_those_of_all_sequences():
    """The 400 sequences of two positions, sorted."""
    asked = guess(residues=(1, 3))
    first, second = asked.probabilities()
    everything = {
        f"Q{a}R{b}": first[i] * second[j] for (i, a), (j, b) in itertools.product(enumerate(LETTERS), repeat=2)
    }
    expected = sorted(everything, key=lambda s: -everything[s])
    found = asked.rank(400)
    assert [r.sequence for r in found[:50]] == expected[:50] and {r.sequence for r in found} == set(expected)
    np.testing.assert_allclose([r.probability for r in found], [everything[r.sequence] for r in found])
    assert sum(r.probability for r in found) == pytest.approx(1)
    assert [r.probability for r in found] == sorted((r.probability for r in found), reverse=True)
    assert asked.rank(3) == found[:3]


def test_the_given_motion_matters():
    """In runs between given residues."""
    one, two = (guess(frames=moving("QGRE", 12, seed)).probabilities() for seed in (0, 1))
    assert np.abs(one - two).max() > 1e-4


def test_what_is_designed_does_not_leak(result):
    """Another residue in its place, on the same motion of the given ones: the same probabilities."""
    for universe, (sequence, _) in zip(result.universes, result.sequences, strict=True):
        again = design(universe, [2], n_sequences=1)
        assert sequence != "QGRE"
        np.testing.assert_allclose(again.probabilities, result.probabilities, atol=1e-4)
    bent = moving_universe("QGRE")
    for ts in bent.trajectory:
        side = bent.select_atoms("resid 2 and name HA2 HA3 H O")
        ts.positions[side.ix] += 0.05 * np.sin(np.arange(12).reshape(4, 3) + ts.frame)
    np.testing.assert_allclose(design(bent, [2], n_sequences=1).probabilities, result.probabilities, atol=1e-4)


def test_neither_motion_of_the_whole_nor_atom_order_matters():
    frames, order = moving("QGRE", 12), np.random.default_rng(0).permutation(66)
    expected = guess().probabilities()
    rotation, shift = random_motion(3)
    np.testing.assert_allclose(guess(frames=frames @ rotation + shift).probabilities(), expected, atol=1e-6)
    other = Design.from_model(inpaint_task(), identities=identities()).read(
        rearranged(structure("QGRE"), order), (1, 2), frames[:, order], 10.0
    )
    np.testing.assert_allclose(other.probabilities(), expected, atol=1e-6)


# trajectories ----------------------------------------------------------------------------------------------------


def test_result(result):
    assert result.residues == (2,) and result.letters == LETTERS and result.probabilities.shape == (1, 20)
    assert len(result.sequences) == len(result.universes) == 2
    best = np.argsort(-result.probabilities[0])[:2]
    assert [r.sequence for r in result.sequences] == [f"Q{LETTERS[k]}RE" for k in best]


def test_universes_are_all_atoms_of_the_designed_sequences(result):
    given = moving_universe("QGRE")
    for universe, (sequence, _) in zip(result.universes, result.sequences, strict=True):
        source = atomgroup_to_structure(universe.atoms)
        built, positions = build_peptide(sequence)
        assert Peptide.from_structure(source).sequence == sequence
        assert list(source.names) == list(topology_to_structure(built, positions / 10).names)  # hydrogens too
        assert [ts.time for ts in universe.trajectory] == [ts.time for ts in given.trajectory]
        frames = universe.trajectory.timeseries(order="fac")
        assert np.isfinite(frames).all() and np.abs(c_n_lengths(frames, source) - 1.335).max() < 0.2


def test_given_atoms_are_where_they_were(result):
    given = moving_universe("QGRE")
    for universe in result.universes:
        kept = "resid 1 3 4 and not (resid 1 and name O) and not (resid 3 and name H)"
        new, old = universe.select_atoms(kept), given.select_atoms(kept)
        assert new.n_atoms == old.n_atoms > 40
        places = {(a.resid, a.name): k for k, a in enumerate(old)}
        order = [places[a.resid, a.name] for a in new if (a.resid, a.name) in places]
        same = [k for k, a in enumerate(new) if (a.resid, a.name) in places]
        heavy = [k for k, a in enumerate(new) if a.element != "H"]
        assert set(heavy) <= set(same)
        for a, b in zip(universe.trajectory, given.trajectory, strict=True):
            assert np.array_equal(a.positions[new.ix][same], b.positions[old.ix][order])


def test_order_of_the_question(result):
    """Positions come along the chain, whatever the order in which they were asked for."""
    found = design(moving_universe("QGRE"), [3, 2, 3], n_sequences=1)
    assert found.residues == (2, 3)
    expected = guess(frames=moving("QGRE").astype(np.float32).astype(float)).probabilities()
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)


def test_seeds(result):
    again, other = (design(moving_universe("QGRE"), [2], n_sequences=1, seed=seed) for seed in (0, 1))
    frames = [r.universes[0].trajectory.timeseries() for r in (result, again, other)]
    assert np.array_equal(frames[0], frames[1]) and np.abs(frames[0] - frames[2]).max() > 0.1
    assert np.array_equal(again.probabilities, other.probabilities)


@pytest.mark.filterwarnings("ignore:the motion was not asked")
def test_caps_are_kept():
    topology, positions = build_peptide("ACE-AG-NME")
    source = topology_to_structure(topology, positions / 10)
    universe = frames_to_universe(source, np.repeat(source.positions[None], 4, 0), 10.0)
    found = design(universe, [2], n_sequences=1)
    names = found.universes[0].residues.resnames
    assert (names[0], names[2], names[3]) == ("ACE", "GLY", "NME") and len(names) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"residues": []}, r"none of the 4 residues of QGRE are to be generated and all given"),
        ({"residues": [1, 2, 3, 4]}, r"all of the 4 residues of QGRE are to be generated and none given"),
        ({"residues": [7]}, r"residue 7 is not an amino acid of QGRE; its residue numbers are 1, 2, 3, 4"),
        ({"residues": 3}, r"residues 3 are no collection of residue numbers"),
        ({"n_sequences": 0}, r"n_sequences 0 must be a whole number of 1 or more"),
        ({"n_sequences": 21}, r"n_sequences 21 is above the 20 sequences that there are; ask for fewer"),
        ({"model": simulate_task()}, r"model 'tiny' has not learned to inpaint"),
        ({"identities": 3}, r"identities= got a int; give 'peptide-design' or weights"),
        ({"identities": "absent"}, r"weights file absent does not exist"),
        (
            {"identities": DATA / "tiny.safetensors"},
            r"of format 'openmm-mdgen velocity 1', .* does not guess identities",
        ),
        ({"model": DATA / "tiny-upsample.safetensors"}, r"model 'tiny-upsample' cannot design"),
        ({"trajectory": mda.Universe(str(DATA / "QGRE.pdb"))}, r"a trajectory of 1 frame has no motion"),
    ],
    ids=lambda x: x if isinstance(x, str) else str(list(x)),
)
@pytest.mark.filterwarnings("ignore:Reader has no dt")
def test_bad_input(arguments, message):
    with pytest.raises(MDGenError, match=message):
        design(**({"trajectory": moving_universe("QGRE"), "residues": [2]} | arguments))


def test_a_cap_that_cannot_be_built(tmp_path):
    """NH2 is read but not built."""
    text = (DATA / "ACE-A-NME.pdb").read_text().splitlines()
    kept = [x for x in text if not (x.startswith(("ATOM", "HETATM")) and x[17:20] == "NME" and x[12:16].strip() != "N")]
    (tmp_path / "nh2.pdb").write_text("\n".join(x.replace("NME", "NH2") for x in kept if not x.startswith("CONECT")))
    source = load_structure(tmp_path / "nh2.pdb")
    universe = frames_to_universe(source, np.repeat(source.positions[None], 3, 0), 10.0)
    with pytest.raises(MDGenError, match=r"a peptide with an NH2 cap cannot be designed"):
        design(universe, [2])
