"""How motion inside gaps compares with MD's: torsions over time, steps, distances from key frames, bonds and angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import welch

from openmm_mdgen.geometry.superpose import superpose

BANDS = ((0.05, 0.2), (0.2, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 5.0))  # 1/ps


@dataclass(frozen=True)
class Shape:
    """Geometry of frames by their place in the gap.

    Attributes
    ----------
    step_beside, step_middle
        RMSD between neighbouring frames after superposition, at a key frame and in the middle of a gap, Å (median).
    from_key
        RMSD of the middle of a gap to the nearer key frame after superposition, Å (median).
    bond_spread, angle_spread
        Standard deviation of bond lengths (Å) and angles (degrees) of all new frames, mean over bonds and angles.
    bond_middle, angle_middle
        The same of frames in the middle of gaps.
    bond_mean
        Mean bond length less MD's, mean of the absolute difference over bonds, Å; angle_mean: angles, degrees.
    """

    step_beside: float
    step_middle: float
    from_key: float
    bond_spread: float
    angle_spread: float
    bond_middle: float
    angle_middle: float
    bond_mean: float
    angle_mean: float


def rmsd(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(F, N, 3), (F, N, 3) Å -> (F,) Å after superposition."""
    apart = superpose(first.astype(np.float64), second.astype(np.float64)) - second
    return np.sqrt((apart**2).sum(-1).mean(-1))


def covalent_pairs(positions: np.ndarray) -> np.ndarray:
    """(B, 2) heavy atoms closer than 1.95 Å on average: (F, N, 3) Å."""
    i, j = np.triu_indices(positions.shape[1], 1)
    lengths = np.linalg.norm(positions[:50, i] - positions[:50, j], axis=-1).mean(0)
    return np.stack([i, j], 1)[lengths < 1.95]


def bonded_triples(pairs: np.ndarray) -> np.ndarray:
    """(A, 3) atoms of angles, the middle one second."""
    near: dict[int, list[int]] = {}
    for a, b in pairs.tolist():
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    return np.array([(a, m, b) for m, ends in near.items() for k, a in enumerate(ends) for b in ends[k + 1 :]])


def bond_lengths(positions: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(F, N, 3) -> (F, B) Å."""
    return np.linalg.norm(positions[:, pairs[:, 0]] - positions[:, pairs[:, 1]], axis=-1)


def angles(positions: np.ndarray, triples: np.ndarray) -> np.ndarray:
    """(F, N, 3) -> (F, A) degrees."""
    u = positions[:, triples[:, 0]] - positions[:, triples[:, 1]]
    v = positions[:, triples[:, 2]] - positions[:, triples[:, 1]]
    cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def shape(frames: np.ndarray, md: np.ndarray, factor: int) -> Shape:
    """Compare (F, N, 3) frames, every `factor`-th a key frame, with MD over the same time."""
    pairs = covalent_pairs(md)
    triples = bonded_triples(pairs)
    place = np.arange(len(frames)) % factor
    middle, new = place == factor // 2, place != 0
    steps = rmsd(frames[:-1], frames[1:])
    beside = (place[:-1] == 0) | (place[1:] == 0)
    in_middle = place[:-1] == factor // 2
    keys = np.flatnonzero(middle) - factor // 2
    bonds, bends = bond_lengths(frames, pairs), angles(frames, triples)
    return Shape(
        step_beside=float(np.median(steps[beside])),
        step_middle=float(np.median(steps[in_middle])),
        from_key=float(np.median(rmsd(frames[middle], frames[keys]))),
        bond_spread=float(bonds[new].std(0).mean()),
        angle_spread=float(bends[new].std(0).mean()),
        bond_middle=float(bonds[middle].std(0).mean()),
        angle_middle=float(bends[middle].std(0).mean()),
        bond_mean=float(np.abs(bonds[new].mean(0) - bond_lengths(md, pairs).mean(0)).mean()),
        angle_mean=float(np.abs(bends[new].mean(0) - angles(md, triples).mean(0)).mean()),
    )


def band_power(values: np.ndarray, interval: float) -> np.ndarray:
    """(len(BANDS),) power of exp(i angle) in each band: (R, F, T) complex every `interval` ps, mean over R and T."""
    length = min(500, values.shape[1])
    frequencies, power = welch(
        values, fs=1 / interval, nperseg=length, axis=1, return_onesided=False, detrend="constant", scaling="density"
    )
    frequencies, power = np.abs(frequencies), power.mean((0, 2))
    return np.array([power[(frequencies >= low) & (frequencies < high)].mean() for low, high in BANDS])
