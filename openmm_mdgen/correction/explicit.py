"""Systems from a force field: implicit solvent, or water put around every start."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import openmm as mm
from openmm import app, unit

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.forcefield.build import with_native_obc

_WATER_MODELS = {
    "tip3p": "tip3p",
    "tip3pfb": "tip3p",
    "spce": "spce",
    "opc3": "tip3p",
    "tip4pew": "tip4pew",
    "opc": "tip4pew",
}
_OBC2 = "implicit/obc2.xml"
_PADDING = 1.2  # nm; the box is at least twice as wide, so that it may shrink at a cutoff of 0.8
_PRESSURE = 1.0  # bar
_CUTOFF = 0.8  # nm


def implicit_system(topology: app.Topology, files: Sequence[str]) -> mm.System:
    """System of a peptide without solvent molecules; OBC2 by the native force, which is several times as fast on CPUs.

    Raises
    ------
    MDGenError
        When a file is not known, or the force field has no template for a residue.
    """
    try:
        field = app.ForceField(*files)
        system = field.createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=3 * unit.amu
        )
    except (ValueError, OSError) as error:
        raise MDGenError(_reason(error, files)) from error
    return with_native_obc(system) if _OBC2 in files else system


def solvated(
    topology: app.Topology,
    starts: np.ndarray,
    files: Sequence[str],
    water: str,
    temperature: float,
    padding: float = _PADDING,
) -> tuple[mm.System, np.ndarray, np.ndarray]:
    """The System of a peptide in water, with every start in a box of its own and the same number of waters.

    Parameters
    ----------
    starts : (S, N, 3) ndarray
        Å.
    water : str
        ``tip3p``, ``tip3pfb``, ``spce``, ``opc3``, ``tip4pew`` or ``opc``; its file must be among `files`.
    padding : float
        nm from the peptide of the first start to the walls.

    Returns
    -------
    system : openmm.System
        At 1 bar, the peptide's atoms first.
    starts : (S, M, 3) ndarray
        Å.
    boxes : (S, 3, 3) ndarray
        nm.

    Raises
    ------
    MDGenError
        When a file or water is not known, or the force field has no template for a residue.
    """
    model = _WATER_MODELS.get(water)
    if model is None:
        raise MDGenError(f"water {water!r} is not known; choose one of {', '.join(_WATER_MODELS)}")
    try:
        field = app.ForceField(*files)
        modeller = _with_water(topology, starts[0], field, model, padding, None)
        number = sum(r.name in ("HOH", "Na+", "Cl-", "NA", "CL") for r in modeller.topology.residues())
        system = field.createSystem(
            modeller.topology,
            nonbondedMethod=app.PME,
            nonbondedCutoff=_CUTOFF * unit.nanometer,
            constraints=app.HBonds,
            hydrogenMass=3 * unit.amu,
        )
    except (ValueError, OSError) as error:
        raise MDGenError(_reason(error, files)) from error
    system.addForce(mm.MonteCarloBarostat(_PRESSURE * unit.bar, temperature * unit.kelvin))
    positions, boxes = [], []
    for start in starts:
        one = _with_water(topology, start, field, model, padding, number)
        positions.append(np.array(one.positions.value_in_unit(unit.angstrom)))
        boxes.append(np.array(one.topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)))
    if {len(p) for p in positions} != {system.getNumParticles()}:
        raise MDGenError("starts came to different numbers of water molecules; give a larger padding")
    return system, np.array(positions), np.array(boxes)


def _with_water(
    topology: app.Topology, start: np.ndarray, field: app.ForceField, model: str, padding: float, number: int | None
) -> app.Modeller:
    """One start in water; ions, whose places are drawn, are the same every time."""
    modeller = app.Modeller(topology, start * unit.angstrom)
    state = random.getstate()
    random.seed(0)
    try:
        size = {"padding": padding * unit.nanometer} if number is None else {"numAdded": number}
        modeller.addSolvent(field, model=model, **size)
    finally:
        random.setstate(state)
    return modeller


def _reason(error: Exception, files: Sequence[str]) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return f"{', '.join(files)}: {text}; give a force field of these residues, and trajectories with all their atoms"
