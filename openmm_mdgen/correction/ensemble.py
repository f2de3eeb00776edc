"""The generated frames, read once: positions, torsions, which of them may be started from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import MDAnalysis as mda
import numpy as np

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.structure import check_structure
from openmm_mdgen.evaluation.tica import features
from openmm_mdgen.evaluation.topology import Topology, heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import torsion_angles
from openmm_mdgen.peptide.naming import atom_to_element
from openmm_mdgen.peptide.peptide import Structure


@dataclass(frozen=True)
class Ensemble:
    """Generated frames of one peptide.

    Attributes
    ----------
    structure : Structure
        The atoms, at the first frame.
    topology : Topology
        Of the heavy atoms.
    heavy : (H,) int ndarray
        Their places among all atoms.
    positions : (G, N, 3) float32 ndarray
        Å.
    times : (G,) ndarray
        ps.
    sources : (G,) int ndarray
        Trajectory of each frame.
    """

    structure: Structure
    topology: Topology
    heavy: np.ndarray
    positions: np.ndarray
    times: np.ndarray
    sources: np.ndarray

    @property
    def elements(self) -> list[str]:
        """Of all atoms."""
        pairs = zip(self.structure.names, self.structure.elements, strict=True)
        return [atom_to_element(name, element).capitalize() for name, element in pairs]

    def angles(self, positions: np.ndarray) -> np.ndarray:
        """Torsions of frames (..., N, 3) Å, (..., K) radians."""
        return torsion_angles(positions[..., self.heavy, :], self.topology.torsions)

    def features(self, positions: np.ndarray) -> np.ndarray:
        """Sines and cosines of the torsions, (..., 2K)."""
        return features(self.angles(positions)).astype(np.float64)

    @property
    def torsion_columns(self) -> list[np.ndarray]:
        """Columns of the features that are of one torsion, K arrays."""
        number = len(self.topology.torsions)
        return [np.array([k, k + number]) for k in range(number)]

    def flipped(self, positions: np.ndarray) -> np.ndarray:
        """Frames (F, N, 3) with a D-residue, or a peptide bond that is cis where the first frame's is not, (F,)."""
        checks = check_structure(positions[:, self.heavy], self.topology)
        first = check_structure(self.positions[:1, self.heavy], self.topology).omega
        cis = np.abs(checks.omega) < np.pi / 2
        return np.asarray(checks.wrong_chirality | (cis != (np.abs(first) < np.pi / 2)).any(-1))


def read_ensemble(source: mda.Universe | mda.AtomGroup | Sequence[mda.Universe | mda.AtomGroup]) -> Ensemble:
    """Read all frames of one trajectory, or of several of the same atoms.

    Raises
    ------
    MDGenError
        When there is no frame or no moving torsion, atoms differ, or a position is not a number.
    """
    groups = [item.atoms for item in source] if isinstance(source, list | tuple) else [source.atoms]  # type: ignore[union-attr]
    if not groups:
        raise MDGenError("0 generated trajectories were given; give at least one")
    names = [tuple(group.names) for group in groups]
    if len(set(names)) > 1:
        raise MDGenError(f"generated trajectories have {sorted({len(n) for n in names})} atoms; give the same atoms")
    parts, times, sources = [], [], []
    groups[0].universe.trajectory[0]
    structure = atomgroup_to_structure(groups[0])
    heavy = heavy_atoms(groups[0])
    topology = topology_of(heavy)
    for number, group in enumerate(groups):
        for ts in group.universe.trajectory:
            parts.append(group.positions.copy())
            times.append(ts.time)
            sources.append(number)
    positions = np.array(parts, np.float32)
    if not np.isfinite(positions).all():
        bad = int(np.argmax(~np.isfinite(positions).all((1, 2))))
        raise MDGenError(f"generated frame {bad} has positions that are not numbers; leave it out")
    if not topology.torsions:
        raise MDGenError("the molecule has no phi, psi or chi, so there are no states; give a peptide of two residues")
    place = {int(index): k for k, index in enumerate(groups[0].indices)}
    order = np.array([place[int(index)] for index in heavy.indices])
    return Ensemble(structure, topology, order, positions, np.array(times), np.array(sources))
