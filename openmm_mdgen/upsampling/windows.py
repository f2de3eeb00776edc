"""Chains longer than a model learned: overlapping windows of residues, filled apart and blended. Experimental."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.naming import CAPS
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.upsampling.gaps import Gaps

_FRAME_ATOMS = ("N", "CA", "C")
_BACKBONE = (*_FRAME_ATOMS, "O", "H", "HN")
_ACE = {"CA": "CH3", "C": "C", "O": "O"}
_NME = {"N": "N", "H": "H", "HN": "H", "CA": "CH3"}


def residue_windows(n_residues: int, longest: int) -> list[tuple[int, int]]:
    """First and last + 1 residue of windows of `longest` residues that overlap by at least half.

    Examples
    --------
    >>> residue_windows(10, 4)
    [(0, 4), (2, 6), (4, 8), (6, 10)]
    """
    if n_residues <= longest:
        return [(0, n_residues)]
    n_windows = 1 + -(-(n_residues - longest) // max(1, longest // 2))
    starts = np.round(np.linspace(0, n_residues - longest, n_windows)).astype(int)
    return [(int(start), int(start) + longest) for start in starts]


def amino_acids(structure: Structure) -> list[int]:
    """Residue numbers of the structure that are no caps, in order."""
    caps = {
        residue for residue, name in zip(structure.residues.tolist(), structure.resnames, strict=True) if name in CAPS
    }
    return sorted(set(structure.residues.tolist()) - caps)


@dataclass(frozen=True)
class Window:
    """Some residues of a chain.

    Attributes
    ----------
    atoms
        (n,) indices into the chain.
    gaps
        Fills them, their rigid motion included.
    weights
        (n,) share of this window in the blend, before all windows are brought to sum 1.
    """

    atoms: np.ndarray
    gaps: Gaps
    weights: np.ndarray


def window_structure(structure: Structure, first: int, last: int) -> tuple[np.ndarray, Structure]:
    """Residues `first` to `last` - 1 among the amino acids, capped where the chain goes on.

    What the chain has next to the window stands for caps: CA, C, O of the residue before for ACE, and N, H, CA of the
    residue after for NME. Caps of the chain itself go with their neighbours.

    Returns
    -------
    tuple
        (n,) indices into the chain, and the structure of these atoms.
    """
    chain = amino_acids(structure)
    low = -1 if first == 0 else chain[first]
    high = structure.residues.max() + 1 if last == len(chain) else chain[last]
    names = {
        int(atom): (structure.names[atom], structure.resnames[atom])
        for atom in np.flatnonzero((structure.residues >= low) & (structure.residues < high))
    }
    if first > 0:
        names |= _cap(structure, chain[first - 1], "ACE", _ACE)
    if last < len(chain):
        names |= _cap(structure, chain[last], "NME", _NME)
    return np.array(sorted(names)), _substructure(structure, names)


def _cap(structure: Structure, residue: int, cap: str, atoms: dict[str, str]) -> dict[int, tuple[str, str]]:
    """Atom -> (name, residue name) of the part of a residue that stands for a cap."""
    members = np.flatnonzero(structure.residues == residue).tolist()
    return {atom: (atoms[structure.names[atom]], cap) for atom in members if structure.names[atom] in atoms}


def _substructure(structure: Structure, names: dict[int, tuple[str, str]]) -> Structure:
    """The structure of some of the atoms under the names given, with the bonds among them."""
    atoms = sorted(names)
    place = {atom: row for row, atom in enumerate(atoms)}
    return Structure(
        names=tuple(names[atom][0] for atom in atoms),
        resnames=tuple(names[atom][1] for atom in atoms),
        residues=np.unique(structure.residues[atoms], return_inverse=True)[1],
        chains=structure.chains[atoms],
        elements=tuple(structure.elements[atom] for atom in atoms),
        bonds=tuple((place[a], place[b]) for a, b in structure.bonds if a in place and b in place),
        positions=structure.positions[atoms],
    )


def window_weights(structure: Structure, atoms: np.ndarray, first: int, last: int) -> np.ndarray:
    """(n,) tent over the residues of a window, flat towards an end of the chain, zero for what stands for caps."""
    chain = amino_acids(structure)
    residues = structure.residues[atoms]
    left = np.full(len(atoms), np.inf) if first == 0 else residues - chain[first] + 1.0
    right = np.full(len(atoms), np.inf) if last == len(chain) else chain[last - 1] - residues + 1.0
    out: np.ndarray = np.clip(np.minimum(left, right), 0, len(structure.names))
    return out


class WindowedGapFiller:
    """Fills a long chain by windows of residues.

    Each window is filled on its own, rigid motion and all. Backbones are averaged by the windows' weights; the rest of
    a residue comes from the window in which it lies most central, moved as a whole onto the averaged backbone.

    Parameters
    ----------
    structure
        The whole chain.
    windows
        They cover it.
    """

    def __init__(self, structure: Structure, windows: Sequence[Window]) -> None:
        self.windows = list(windows)
        self.n_atoms = len(structure.names)
        self.gaps_per_call = min(window.gaps.per_call for window in self.windows)
        totals = np.zeros(self.n_atoms)
        for window in self.windows:
            totals[window.atoms] += window.weights
        self._totals = totals
        self._residues = [
            _residue(structure, np.flatnonzero(structure.residues == residue), self.windows)
            for residue in np.unique(structure.residues)
        ]

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """(G + 1, N, 3) Å -> (G, M - 1, N, 3) Å."""
        blended: np.ndarray | None = None
        made = []
        for number, window in enumerate(self.windows):
            own_seeds = [block_seed(seed, 0, number) for seed in seeds]
            frames = window.gaps.fill(key_frames[:, None, window.atoms], own_seeds)
            if blended is None:
                blended = np.zeros((*frames.shape[:2], self.n_atoms, 3))
            blended[:, :, window.atoms] += (window.weights / self._totals[window.atoms])[:, None] * frames
            made.append(frames)
        assert blended is not None
        result = blended.copy()
        for residue in self._residues:
            if residue is not None:
                result[:, :, residue.carried] = _carried(residue, made[residue.owner], blended)
        return result


@dataclass(frozen=True)
class _Residue:
    """Atoms that one window lends to the blended backbone: places in the chain, and the same in the window."""

    owner: int
    frame: np.ndarray
    frame_in_owner: np.ndarray
    carried: np.ndarray
    carried_in_owner: np.ndarray


def _residue(structure: Structure, atoms: np.ndarray, windows: Sequence[Window]) -> _Residue | None:
    names = [structure.names[atom] for atom in atoms]
    covering = [number for number, window in enumerate(windows) if _covers(window, atoms)]
    if len(covering) < 2 or not set(_FRAME_ATOMS) <= set(names):
        return None
    weights = [windows[number].weights[np.searchsorted(windows[number].atoms, atoms[0])] for number in covering]
    owner = covering[int(np.argmax(weights))]
    frame = atoms[[names.index(name) for name in _FRAME_ATOMS]]
    carried = atoms[[name not in _BACKBONE for name in names]]
    inside = windows[owner].atoms
    return _Residue(owner, frame, np.searchsorted(inside, frame), carried, np.searchsorted(inside, carried))


def _covers(window: Window, atoms: np.ndarray) -> bool:
    rows = np.flatnonzero(np.isin(window.atoms, atoms))
    return len(rows) == len(atoms) and bool((window.weights[rows] > 0).all())


def _carried(residue: _Residue, owned: np.ndarray, blended: np.ndarray) -> np.ndarray:
    """(G, M - 1, n, 3) Å: the owner's atoms, moved as a whole from the owner's backbone onto the blended one."""
    source, target = owned[:, :, residue.frame_in_owner], blended[:, :, residue.frame]
    return superpose(source, target, owned[:, :, residue.carried_in_owner])
