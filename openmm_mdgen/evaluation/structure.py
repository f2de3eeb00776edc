"""Is every frame a molecule: clashes, bond lengths, angles, chirality, peptide planes, size."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from MDAnalysis.lib.distances import calc_dihedrals
from scipy.spatial import cKDTree

from openmm_mdgen.evaluation.topology import Topology

CLASH = 2.0
"""Å: heavy atoms of residues that are not neighbours, closer than this, clash."""
BOND_TOLERANCE = 0.2
"""Å: a bond this far from its length in the reference is broken."""
PLANE_TOLERANCE = np.deg2rad(40.0)
"""Radians: a peptide bond twisted this far from both cis and trans is an error (MD: about one frame in 1000)."""
_DENSE_ATOMS = 200
_SEARCH = 6.0
_CHUNK = 4_000_000


@dataclass(frozen=True)
class StructureFrames:
    """Checks of F frames.

    Attributes
    ----------
    clash, broken_bond, wrong_chirality, bent_plane : (F,) bool ndarray
    smallest_distance : (F,) ndarray
        Å between heavy atoms of residues that are not neighbours; infinity where there are none (within 6 Å).
    radius_of_gyration : (F,) ndarray
        Å, heavy atoms, each counted once.
    cn_lengths : (F, P) ndarray
        Å, of peptide bonds.
    ca_c_n, c_n_ca : (F, P) ndarray
        Radians, angles at C and at N of peptide bonds.
    omega : (F, P) ndarray
        Radians.
    """

    clash: np.ndarray
    broken_bond: np.ndarray
    wrong_chirality: np.ndarray
    bent_plane: np.ndarray
    smallest_distance: np.ndarray
    radius_of_gyration: np.ndarray
    cn_lengths: np.ndarray
    ca_c_n: np.ndarray
    c_n_ca: np.ndarray
    omega: np.ndarray

    @classmethod
    def joined(cls, parts: list[StructureFrames]) -> StructureFrames:
        """Concatenate over frames."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    def shares(self) -> dict[str, float]:
        """Share of frames with each kind of error."""
        kinds = {
            "clash": self.clash,
            "broken_bond": self.broken_bond,
            "wrong_chirality": self.wrong_chirality,
            "bent_plane": self.bent_plane,
        }
        return {kind: float(frames.mean()) for kind, frames in kinds.items()}


def check_structure(positions: np.ndarray, topology: Topology) -> StructureFrames:
    """Check every frame.

    Parameters
    ----------
    positions : (..., N, 3) ndarray
        Å, heavy atoms in the order of `topology`; leading axes are flattened.
    """
    frames = positions.reshape(-1, topology.n_atoms, 3)
    pairs = nonbonded_pairs(topology) if topology.n_atoms <= _DENSE_ATOMS else None
    step = max(1, _CHUNK // max(topology.n_atoms, 0 if pairs is None else len(pairs)))
    parts = [_check(frames[s : s + step].astype(np.float64), topology, pairs) for s in range(0, len(frames), step)]
    return StructureFrames.joined(parts)


def nonbonded_pairs(topology: Topology) -> np.ndarray:
    """Pairs of atoms at least two residues apart and not bonded to one another, (Q, 2)."""
    return _allowed(np.stack(np.triu_indices(topology.n_atoms, 1), axis=-1), topology)


def _allowed(pairs: np.ndarray, topology: Topology) -> np.ndarray:
    """Those of the pairs (i < j) that belong to residues which are no neighbours, bonds left out."""
    far = np.abs(np.diff(topology.residues[pairs], axis=-1)[:, 0]) > 1
    code = [topology.n_atoms, 1]
    out: np.ndarray = pairs[far & ~np.isin(pairs @ code, topology.bonds @ code)]
    return out


def chirality(positions: np.ndarray, chiral: np.ndarray) -> np.ndarray:
    """(N - CA) x (C - CA) . (CB - CA) of C-alpha atoms, (..., C); positive for L-amino acids."""
    centre, n, c, beta = (positions[..., chiral[:, k], :] for k in range(4))
    out: np.ndarray = np.einsum("...i,...i->...", np.cross(n - centre, c - centre), beta - centre)
    return out


def _check(xyz: np.ndarray, topology: Topology, pairs: np.ndarray | None) -> StructureFrames:
    smallest = _smallest_distance(xyz, topology, pairs)
    lengths = _distance(xyz, topology.bonds)
    quads = topology.peptide_bonds
    omega = _dihedrals(xyz, quads)
    twist = np.minimum(np.abs(omega), np.pi - np.abs(omega))
    centred = xyz - xyz.mean(1, keepdims=True)
    return StructureFrames(
        clash=smallest < CLASH,
        broken_bond=(np.abs(lengths - topology.bond_lengths) > BOND_TOLERANCE).any(-1),
        wrong_chirality=np.any(chirality(xyz, topology.chiral) <= 0, axis=-1),
        bent_plane=(twist > PLANE_TOLERANCE).any(-1),
        smallest_distance=smallest.astype(np.float32),
        radius_of_gyration=np.sqrt((centred**2).sum(-1).mean(-1)).astype(np.float32),
        cn_lengths=_distance(xyz, quads[:, 1:3]).astype(np.float32),
        ca_c_n=_angle(xyz, quads[:, [0, 1, 2]]).astype(np.float32),
        c_n_ca=_angle(xyz, quads[:, [1, 2, 3]]).astype(np.float32),
        omega=omega.astype(np.float32),
    )


def _smallest_distance(xyz: np.ndarray, topology: Topology, pairs: np.ndarray | None) -> np.ndarray:
    """Over all pairs of a small molecule, by a tree in a large one; (F,) Å."""
    if pairs is None:
        return np.array([_smallest_in_tree(frame, topology) for frame in xyz])
    if len(pairs) == 0:
        return np.full(len(xyz), np.inf)
    out: np.ndarray = _distance(xyz, pairs).min(-1)
    return out


def _smallest_in_tree(frame: np.ndarray, topology: Topology) -> float:
    for reach in (_SEARCH / 2, _SEARCH):
        close = _allowed(cKDTree(frame).query_pairs(reach, output_type="ndarray").reshape(-1, 2), topology)
        if len(close):
            return float(_distance(frame, close).min())
    return np.inf


def _distance(xyz: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.linalg.norm(xyz[..., pairs[:, 0], :] - xyz[..., pairs[:, 1], :], axis=-1)
    return out


def _angle(xyz: np.ndarray, triples: np.ndarray) -> np.ndarray:
    a, b, c = (xyz[..., triples[:, k], :] for k in range(3))
    u, v = a - b, c - b
    cosine = (u * v).sum(-1) / (np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1))
    out: np.ndarray = np.arccos(np.clip(cosine, -1, 1))
    return out


def _dihedrals(xyz: np.ndarray, quads: np.ndarray) -> np.ndarray:
    shape = (*xyz.shape[:-2], len(quads))
    if 0 in shape:
        return np.zeros(shape)
    out: np.ndarray = calc_dihedrals(
        *(np.ascontiguousarray(xyz[..., quads[:, k], :].reshape(-1, 3)) for k in range(4))
    ).reshape(shape)
    return out
