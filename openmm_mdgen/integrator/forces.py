"""Forces of a System that generated frames do not obey: couplings are refused, biases and restraints named."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

import openmm as mm
from openmm import app

from openmm_mdgen.errors import MDGenError, MDGenWarning

_COUPLINGS = ("Barostat", "AndersenThermostat")
_OF_A_FORCE_FIELD = {
    "NonbondedForce",
    "CustomNonbondedForce",
    "CustomGBForce",
    "GBSAOBCForce",
    "CMAPTorsionForce",
    "CustomHbondForce",
    "CustomManyParticleForce",
    "GayBerneForce",
    "DrudeForce",
    "LCPOForce",
    "CMMotionRemover",
}
_OF_A_MODEL = ("PythonForce", "TorchForce")  # a learned potential, where the System has no other
_VALENCE = {
    "HarmonicBondForce": "Bond",
    "HarmonicAngleForce": "Angle",
    "PeriodicTorsionForce": "Torsion",
    "RBTorsionForce": "Torsion",
    "CustomBondForce": "Bond",
    "CustomAngleForce": "Angle",
    "CustomTorsionForce": "Torsion",
}
_SIZES = {"Bond": 2, "Angle": 3, "Torsion": 4}
_NAMES = ("Amoeba", "Hippo", "LennardJones", "UreyBradley", "ImproperTorsion", "GROMOS", "HarmonicTorsion")
"""How forces begin that OpenMM's readers of force fields name."""
_NEAR = 3  # bonds, between two atoms of one valence term


def check_forces(system: mm.System) -> None:
    """Raise when the System holds a barostat or a thermostat: generated frames would ignore it silently."""
    for force in system.getForces():
        name = type(force).__name__
        if any(coupling in name for coupling in _COUPLINGS):
            raise MDGenError(
                f"the System holds a {name}, which generated frames cannot obey: volume and temperature are the "
                f"model's; remove the line `system.addForce({name}(...))`"
            )


def warn_of_idle_forces(
    system: mm.System, topology: app.Topology, known: Collection[str] = (), thermalise: int = 0
) -> set[str]:
    """One warning that names the biases and restraints of a System; those in `known` were named before.

    Returns
    -------
    set of str
        All of them.
    """
    idle = idle_forces(system, topology)
    fresh = sorted(set(idle) - set(known))
    if fresh:
        one = len(fresh) == 1
        what, acts, each = ("it acts", "its energy", "it") if one else ("they act", "their energies", "them")
        if thermalise:
            how = (
                f"will act for the {thermalise} steps after each frame only: frames themselves are the model's and "
                f"obey no force; give more steps as thermalise=, or run MD where {what} all the time"
            )
        else:
            how = (
                f"will not act: frames are the model's and obey no force, though {acts} will be reported; remove "
                f"{each}, give steps of dynamics as thermalise=, or run MD where {what}"
            )
        warnings.warn(f"{', '.join(fresh)} {how}", MDGenWarning, stacklevel=2)
    return set(idle)


def idle_forces(system: mm.System, topology: app.Topology) -> list[str]:
    """Types, with their names where they have any, of forces that no force field made.

    A force field's valence terms lie between near neighbours, and a force of such terms is its only one of the kind,
    reaches half of the atoms, or holds impropers; a bias has parameters that can be turned, groups, or few terms.
    """
    neighbours = _neighbours(topology)
    only_model = not any(isinstance(force, mm.NonbondedForce) for force in system.getForces())
    found, seen = [], set()
    for force in system.getForces():
        kind = type(force).__name__
        own = force.getName().startswith(_NAMES) or (kind in _OF_A_MODEL and only_model)
        if not own and kind in _VALENCE:
            is_first = kind not in seen and not kind.startswith("Custom")
            own = not _parameters(force) and _is_valence(_terms(force, _VALENCE[kind]), neighbours, is_first)
        elif not own and kind in _OF_A_FORCE_FIELD:
            grouped = kind == "CustomNonbondedForce" and force.getNumInteractionGroups() > 0
            own = not (grouped or (kind in ("CustomNonbondedForce", "CustomHbondForce") and _parameters(force)))
        elif not own:
            own = any(coupling in kind for coupling in _COUPLINGS)
        seen.add(kind)
        if not own:
            found.append(kind if force.getName() == kind else f"{kind} {force.getName()!r}")
    return found


def _parameters(force: mm.Force) -> int:
    """How many parameters a script can turn."""
    counter = getattr(force, "getNumGlobalParameters", None)  # custom forces alone have them
    return 0 if counter is None else int(counter())


def _terms(force: mm.Force, kind: str) -> Iterator[tuple[int, ...]]:
    """Atoms of every bond, angle or torsion."""
    read = getattr(force, f"get{kind}Parameters")
    for term in range(getattr(force, f"getNum{kind}s")()):
        yield tuple(read(term)[: _SIZES[kind]])


def _neighbours(topology: app.Topology) -> list[set[int]]:
    neighbours: list[set[int]] = [set() for _ in range(topology.getNumAtoms())]
    for first, second in topology.bonds():
        neighbours[first.index].add(second.index)
        neighbours[second.index].add(first.index)
    return neighbours


def _is_valence(terms: Iterator[tuple[int, ...]], neighbours: Sequence[set[int]], is_first: bool) -> bool:
    if not any(neighbours):
        return True  # a topology without bonds tells nothing
    reached: set[int] = set()
    impropers = True
    for term in terms:
        if any(not _are_near(*pair, neighbours) for pair in combinations(term, 2)):
            return False
        reached.update(term)
        impropers &= len(term) == 4 and any(len(neighbours[atom].intersection(term)) == 3 for atom in term)
    return is_first or impropers or 2 * len(reached) >= len(neighbours)


def _are_near(first: int, second: int, neighbours: Sequence[set[int]]) -> bool:
    reached = {first}
    for _ in range(_NEAR):
        if second in reached:
            return True
        reached = reached.union(*(neighbours[atom] for atom in reached))
    return second in reached
