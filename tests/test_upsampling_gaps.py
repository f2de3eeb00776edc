import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling.gaps import Gaps, LinearGapFiller
from openmm_mdgen.upsampling.references import bonds_to_references, internal_to_positions, positions_to_internal
from openmm_mdgen.upsampling.residual import Residual

# butane with its hydrogens: C0-C3, H4-H13
BONDS = np.array([[0, 1], [1, 2], [2, 3], *[[0, h] for h in (4, 5, 6)], *[[1, h] for h in (7, 8)]])
BONDS = np.concatenate([BONDS, [[2, 9], [2, 10], [3, 11], [3, 12], [3, 13]]])
SYMBOLS = np.array(["C"] * 4 + ["H"] * 10)
QUADS = bonds_to_references(BONDS, SYMBOLS).hydrogens


def butane(methyl: float = 0.0, twist: float = 1.0) -> np.ndarray:
    """(14, 3) Å, with the first methyl turned by `methyl` and the backbone by `twist`, radians."""
    positions = np.zeros((14, 3))
    positions[0], positions[2] = [-0.5, 1.4, 0], [1.5, 0, 0]
    positions[3] = positions[2] + [0.5, 1.4 * np.cos(twist), 1.4 * np.sin(twist)]
    per_parent = {parent: 0 for parent in range(4)}
    internal = []
    for _, parent, *_ in QUADS:
        turn = 2 * np.pi / 3 * per_parent[parent] + (methyl if parent == 0 else 0.5)
        per_parent[parent] += 1
        internal.append([1.09, 1.91, turn])
    positions[QUADS[:, 0]] = internal_to_positions(np.array(internal), positions, QUADS)
    return positions


def turned(positions: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return positions @ Rotation.random(random_state=seed).as_matrix().T + rng.normal(0, 5, 3)


class Decoding:
    """A filler whose key frames lose something: hydrogens staggered anew, heavy atoms pushed about."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def decoded(self, key_frames):
        frames = key_frames.copy()
        frames[:, :4] += np.random.default_rng(1).normal(0, 0.1, (4, 3))
        internal = np.array([[1.0, 1.8, 2.1 * k] for k in range(len(QUADS))])
        frames[:, QUADS[:, 0]] = internal_to_positions(
            np.broadcast_to(internal, (len(frames), *internal.shape)), frames, QUADS
        )
        return frames

    def fill(self, key_frames, seeds):
        return LinearGapFiller(self.factor).fill(self.decoded(key_frames), seeds)


class WithEnds:
    """The same, which hands over its own copies of the key frames instead."""

    def __init__(self, factor: int) -> None:
        self.inner = Decoding(factor)

    def fill(self, key_frames, seeds):
        decoded = self.inner.decoded(key_frames)[:, None]
        return np.concatenate([decoded[:-1], self.inner.fill(key_frames, seeds), decoded[1:]], axis=1)


def test_a_rigid_molecule_stays_rigid():
    keys = np.stack([turned(butane(), seed) for seed in range(4)])
    frames = Gaps(LinearGapFiller(10), 10, np.ones(14)).fill(keys[:, None], [0] * 3).reshape(-1, 14, 3)
    lengths = np.linalg.norm(frames[:, BONDS[:, 0]] - frames[:, BONDS[:, 1]], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=1e-9)


def test_molecules_alike_move_apart():
    keys = np.stack([np.stack([turned(butane(), seed + 10 * k) for k in range(2)]) for seed in range(3)])
    gaps = Gaps(LinearGapFiller(5), 5, np.ones(14))
    together = gaps.fill(keys, [0, 0])
    apart = [gaps.fill(keys[:, k : k + 1], [0, 0]) for k in range(2)]
    np.testing.assert_allclose(together, np.concatenate(apart, axis=2), atol=1e-9)


def test_frames_turn_with_the_key_frames():
    keys = np.stack([turned(butane(0.3 * k, 1 + 0.2 * k), k) for k in range(3)])
    gaps = Gaps(LinearGapFiller(8), 8, np.ones(14))
    rotation = Rotation.random(random_state=9).as_matrix()
    plain = gaps.fill(keys[:, None], [0, 0])
    np.testing.assert_allclose(gaps.fill((keys @ rotation.T + 3)[:, None], [0, 0]), plain @ rotation.T + 3, atol=1e-9)


@pytest.mark.parametrize("filler", [Decoding, WithEnds])
def test_no_jump_beside_key_frames_whatever_the_filler_loses(filler):
    factor = 1000
    keys = np.stack([turned(butane(0.3 * k, 1 + 0.2 * k), 0) for k in range(3)])
    gaps = Gaps(filler(factor), factor, np.ones(14), Residual(BONDS, SYMBOLS))
    frames = gaps.fill(keys[:, None], [0, 0])
    steps = np.abs(np.diff(frames, axis=1)).max()
    assert np.abs(Decoding(factor).decoded(keys) - keys).max() > 0.2
    for key in (0, 1):
        assert np.abs(frames[key, 0] - keys[key]).max() < 2 * steps
        assert np.abs(frames[key, -1] - keys[key + 1]).max() < 2 * steps


def test_hydrogens_keep_their_lengths_while_a_methyl_turns():
    keys = np.stack([butane(0.0), butane(1.0)])
    frames = Gaps(Decoding(20), 20, np.ones(14), Residual(BONDS, SYMBOLS)).fill(keys[:, None], [0])[0]
    lengths = np.linalg.norm(frames[:, QUADS[:, 0]] - frames[:, QUADS[:, 1]], axis=-1)
    np.testing.assert_allclose(lengths, 1.09, atol=0.005)
    between = np.linalg.norm(frames[:, 4] - frames[:, 5], axis=-1)
    assert between.min() > 1.7


def test_internal_coordinates_round_trip():
    positions = np.stack([turned(butane(0.1 * k), k) for k in range(3)])
    internal = positions_to_internal(positions, QUADS)
    np.testing.assert_allclose(internal_to_positions(internal, positions, QUADS), positions[:, QUADS[:, 0]], atol=1e-7)


def test_lone_atoms_have_no_references():
    references = bonds_to_references(np.array([[0, 1]]), np.array(["O", "H", "K"]))
    assert references.rest.tolist() == [0, 1, 2]


def test_a_filler_of_another_factor_is_refused():
    with pytest.raises(MDGenError, match="make it fill 9 frames per gap"):
        Gaps(LinearGapFiller(5), 10, np.ones(14)).fill(np.stack([butane()] * 2)[:, None], [0])
