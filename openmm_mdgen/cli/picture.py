"""A picture of what was generated: Ramachandran maps and the System's energy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.forcefield.minimizer import Minimizer, structure_minimizer
from openmm_mdgen.geometry.frames import dihedral
from openmm_mdgen.peptide.naming import CAPS
from openmm_mdgen.peptide.peptide import Peptide, Structure

_N_BINS = 72
_N_ENERGIES = 300
_SHOWN_PERCENT = 95  # of the energies; a clash can be orders of magnitude above the rest


class Picture:
    """Collects torsions and energies while frames stream by, at constant memory; then draws them.

    Parameters
    ----------
    structure
        One peptide.
    n_frames
        Frames per replica that will come.
    interval
        Picoseconds between them.

    Examples
    --------
    >>> picture = Picture(structure, n_frames=1000, interval=10.0)
    >>> picture.add(frames)  # (R, T, N, 3) Å
    >>> picture.draw(Path("out.png"), "peptide")
    """

    def __init__(self, structure: Structure, n_frames: int, interval: float) -> None:
        self._pairs = torsion_pairs(Peptide.from_structure(structure))
        self._counts = np.zeros((len(self._pairs), _N_BINS, _N_BINS))
        self._minimizer = _energies_of(structure)
        self._stride = -(-n_frames // _N_ENERGIES)
        self._interval = interval
        self._seen = 0
        self._times: list[float] = []
        self._energies: list[float] = []

    def add(self, frames: np.ndarray) -> None:
        """Take frames (R, T, N, 3) Å into account; energies are those of the first replica."""
        for counts, (_, phi, psi) in zip(self._counts, self._pairs, strict=True):
            phi_angles, psi_angles = (
                np.rad2deg(dihedral(*np.moveaxis(frames[..., atoms, :], -2, 0))).ravel() for atoms in (phi, psi)
            )
            counts += np.histogram2d(phi_angles, psi_angles, bins=_N_BINS, range=((-180, 180), (-180, 180)))[0]
        for place in range(-self._seen % self._stride, frames.shape[1], self._stride):
            if self._minimizer is not None:
                self._times.append((self._seen + place + 1) * self._interval)
                self._energies.append(self._minimizer.energy(frames[0, place]))
        self._seen += frames.shape[1]

    def draw(self, path: Path, title: str) -> None:
        """Write the picture, PNG or whatever the extension says."""
        from matplotlib.figure import Figure

        n_maps = len(self._pairs)
        n_columns = min(n_maps + 1, 4)
        n_rows = -(-(n_maps + 1) // n_columns)
        figure = Figure(figsize=(3.2 * n_columns, 3.0 * n_rows), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for ax, (label, _, _), counts in zip(axes, self._pairs, self._counts, strict=False):
            masked = np.ma.masked_equal(counts.T, 0)
            ax.imshow(np.ma.log(masked), origin="lower", extent=(-180, 180, -180, 180), cmap="viridis")
            ax.set(title=label, xlabel="phi (°)", ylabel="psi (°)", xticks=[-180, 0, 180], yticks=[-180, 0, 180])
        ax = axes[n_maps]
        ax.set(title="energy, ff14SB + OBC2", xlabel="time (ns)", ylabel="kJ/mol")
        if self._energies:
            ax.plot(np.array(self._times) / 1000, self._energies, linewidth=0.8)
            low, high = np.percentile(self._energies, [0, _SHOWN_PERCENT])
            ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
            ax.text(0.98, 0.98, f"{100 - _SHOWN_PERCENT} % are above", ha="right", va="top", transform=ax.transAxes)
        else:
            ax.text(0.5, 0.5, "needs hydrogens", ha="center", transform=ax.transAxes)
        for ax in axes[n_maps + 1 :]:
            ax.axis("off")
        figure.suptitle(title)
        with replacing(path) as unfinished:
            figure.savefig(unfinished, dpi=120)

    def median_energy(self) -> float | None:
        """Median of the energies in kJ/mol, if there are any."""
        return float(np.median(self._energies)) if self._energies else None


def torsion_pairs(peptide: Peptide) -> list[tuple[str, list[int], list[int]]]:
    """Label, phi atoms and psi atoms of every residue that has both; else of a residue's psi and the next one's phi."""
    heavy, types = peptide.heavy, peptide.residue_types
    phi, psi = {}, {}
    for index, name in enumerate(types):
        if name not in CAPS and index > 0:
            phi[index] = [heavy[slot] for slot in ((index - 1, "C"), (index, "N"), (index, "CA"), (index, "C"))]
        if name not in CAPS and index + 1 < len(types):
            psi[index] = [heavy[slot] for slot in ((index, "N"), (index, "CA"), (index, "C"), (index + 1, "N"))]
    pairs = [(f"{types[index]} {index + 1}", phi[index], psi[index]) for index in phi if index in psi]
    return pairs or [
        (f"psi of {types[index]} {index + 1}, phi of the next", phi[index + 1], psi[index])
        for index in psi
        if index + 1 in phi
    ]


def _energies_of(structure: Structure) -> Minimizer | None:
    """What gives the energy of a frame; None for a structure without hydrogens."""
    try:
        return structure_minimizer(structure)
    except MDGenError:
        return None
