"""A peptide from its sequence: all atoms, extended and minimised, and its System (ff14SB with native OBC2)."""

from __future__ import annotations

import io
import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import openmm
from openmm import app, unit
from pdbfixer import PDBFixer

from openmm_mdgen.convert.structures import BuiltPeptide
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.frames import place_atom
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.naming import CAPS, THREE_LETTER

_FORCE_FIELD = "amber14-all.xml"
_OBC_OFFSET = 0.009  # nm, between the radius and the radius that the generalised Born equations use
_PHI, _PHI_PROLINE, _PSI = np.deg2rad([-135.0, -65.0, 135.0])


@dataclass(frozen=True)
class _Bond:
    """Ideal length (Å) of a backbone bond and the angle (rad) that it makes with the one before."""

    length: float
    angle: float


_C_N = _Bond(1.335, np.deg2rad(116.6))
_N_CA = _Bond(1.460, np.deg2rad(121.7))
_CA_C = _Bond(1.525, np.deg2rad(111.0))
_CA_CB = _Bond(1.530, np.deg2rad(110.5))
_CB_TORSION = np.deg2rad(-122.6)  # C, N, CA, CB of an L-residue
_C_O = _Bond(1.229, np.deg2rad(120.1))
_C_H = 1.09  # Å
_CAP_ROLES = {"ACE": {"CH3": "CA", "C": "C"}, "NME": {"N": "N", "C": "CA"}}  # cap atom -> backbone atom it stands for


def sequence_to_residues(sequence: str, caps: str = "zwitterion") -> list[str]:
    """Residue names of a sequence.

    Parameters
    ----------
    sequence
        One capital letter per residue, with caps if wanted: ``"STHK"``, ``"ACE-A-NME"``.
    caps
        ``"zwitterion"`` or ``"capped"`` (ACE and NME), for a sequence that names no caps.

    Raises
    ------
    MDGenError
        If a letter or cap is not known, or the sequence is empty.

    Examples
    --------
    >>> sequence_to_residues("ACE-A-NME")
    ['ACE', 'ALA', 'NME']
    """
    if caps not in ("zwitterion", "capped"):
        raise MDGenError(f"caps {caps!r} are not known; choose 'zwitterion' or 'capped'")
    parts = sequence.strip().split("-")
    first = [parts.pop(0)] if parts[0] == "ACE" else []
    last = [parts.pop()] if parts and parts[-1] == "NME" else []
    letters = "".join(parts)
    unknown = sorted(set(letters) - set(THREE_LETTER))
    if unknown or not letters or len(parts) > 1:
        what = f"has {unknown[0]!r}, which is no residue" if unknown else "has no residue or a '-' between residues"
        raise MDGenError(
            f"sequence {sequence!r} {what}; write capital letters of {''.join(sorted(THREE_LETTER))}, "
            "with caps as in ACE-A-NME"
        )
    if caps == "capped" and not (first or last):
        first, last = ["ACE"], ["NME"]
    return [*first, *(THREE_LETTER[letter] for letter in letters), *last]


def build_peptide(sequence: str, caps: str = "zwitterion") -> BuiltPeptide:
    """Build an extended peptide with all atoms at pH 7, minimised in implicit solvent.

    Parameters
    ----------
    sequence, caps
        As for `sequence_to_residues`.

    Returns
    -------
    BuiltPeptide
        (topology, positions): an OpenMM Topology, and (N, 3) in Å. Functions that take a structure take it as it is.

    Raises
    ------
    MDGenError
        If the sequence is not known or has one residue without a cap.

    Examples
    --------
    >>> topology, positions = build_peptide("STHK")
    >>> topology, positions = build_peptide("ACE-A-NME")
    """
    residues = sequence_to_residues(sequence, caps)
    if len(residues) == 1:
        raise MDGenError(
            f"sequence {sequence!r} has 1 residue with both ends charged, for which ff14SB has no parameters; cap it: "
            f"ACE-{sequence}-NME"
        )
    file = app.PDBFile(io.StringIO(_heavy_atoms_pdb(residues)))
    modeller = app.Modeller(file.topology, file.positions)
    _add_hydrogens(modeller)
    positions = _place_methine_hydrogens(modeller)
    return BuiltPeptide(modeller.topology, minimize(modeller.topology, positions))


def build_system(topology: app.Topology, hydrogen_mass: float | None = None) -> openmm.System:
    """System of a peptide: ff14SB, no cut-off, rigid bonds to hydrogen, OBC2 as a native ``GBSAOBCForce``.

    ``implicit/obc2.xml`` makes a ``CustomGBForce``; the native force has its parameters and energy, and runs an order
    of magnitude faster on CPUs.

    Parameters
    ----------
    topology
        Topology with hydrogens and, for capped or charged ends, complete termini.
    hydrogen_mass
        Mass of a hydrogen in amu, taken from its heavy atom; None leaves the masses as they are.

    Raises
    ------
    MDGenError
        If the force field has no template for a residue.
    """
    mass = None if hydrogen_mass is None else hydrogen_mass * unit.amu
    try:
        system = app.ForceField(_FORCE_FIELD, "implicit/obc2.xml").createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=app.HBonds, hydrogenMass=mass
        )
    except ValueError as error:
        raise MDGenError(f"{str(error).splitlines()[0]}; {_FORCE_FIELD} needs complete, standard residues") from error
    return with_native_obc(system)


def with_native_obc(system: openmm.System) -> openmm.System:
    """The System that `implicit/obc2.xml` made, with its ``CustomGBForce`` replaced by the native force."""
    index, custom = next(
        (index, force) for index, force in enumerate(system.getForces()) if isinstance(force, openmm.CustomGBForce)
    )
    native = _native_obc(custom)
    system.removeForce(index)
    system.addForce(native)
    return system


def minimize(topology: app.Topology, positions: np.ndarray, tolerance: float = 10.0) -> np.ndarray:
    """Minimise (N, 3) Å in the System of `build_system` until forces are below `tolerance` (kJ/mol/nm); (N, 3) Å."""
    integrator = openmm.VerletIntegrator(0.001)
    context = openmm.Context(build_system(topology), integrator, _reference())
    context.setPositions(positions * unit.angstrom)
    openmm.LocalEnergyMinimizer.minimize(context, tolerance)
    out: np.ndarray = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    return out


def _add_hydrogens(modeller: app.Modeller) -> None:
    """Add hydrogens at pH 7; OpenMM draws their first positions from the global generator, which is left as it was."""
    state = random.getstate()
    random.seed(0)
    try:
        modeller.addHydrogens(app.ForceField(_FORCE_FIELD), pH=7.0, platform=_reference())
    finally:
        random.setstate(state)


def _place_methine_hydrogens(modeller: app.Modeller) -> np.ndarray:
    """Positions (N, 3) Å with each hydrogen of a CH group opposite its carbon's three other neighbours.

    Added hydrogens may be caught on the wrong side, and minimising would then invert the carbon.
    """
    positions = modeller.getPositions().value_in_unit(unit.angstrom)
    positions = np.array(positions, dtype=np.float64)
    neighbours: dict[app.topology.Atom, list[app.topology.Atom]] = defaultdict(list)
    for first, second in modeller.topology.bonds():
        neighbours[first].append(second)
        neighbours[second].append(first)
    for carbon, others in neighbours.items():
        hydrogens = [atom.index for atom in others if atom.element is app.element.hydrogen]
        if len(others) == 4 and len(hydrogens) == 1:
            heavy = positions[[atom.index for atom in others if atom.index != hydrogens[0]]] - positions[carbon.index]
            away = -(heavy / np.linalg.norm(heavy, axis=-1, keepdims=True)).sum(axis=0)
            positions[hydrogens[0]] = positions[carbon.index] + _C_H * away / np.linalg.norm(away)
    return positions


def _reference() -> openmm.Platform:
    """The platform whose results are the same on every machine and in every run."""
    return openmm.Platform.getPlatform("Reference")


def _native_obc(custom: openmm.CustomGBForce) -> openmm.GBSAOBCForce:
    """``GBSAOBCForce`` with the parameters of a ``CustomGBForce`` made by ``implicit/obc2.xml``."""
    native = openmm.GBSAOBCForce()
    native.setSolventDielectric(78.5)
    native.setSoluteDielectric(1.0)
    native.setNonbondedMethod(openmm.GBSAOBCForce.NoCutoff)
    for particle in range(custom.getNumParticles()):
        charge, offset_radius, scaled_radius = custom.getParticleParameters(particle)
        native.addParticle(charge, offset_radius + _OBC_OFFSET, scaled_radius / offset_radius)
    return native


def _heavy_atoms_pdb(residues: list[str]) -> str:
    """PDB text with all heavy atoms: an extended backbone, side chains as in PDBFixer's templates."""
    blank = f"HETATM    1  O   HOH A   1    {0:8.3f}{0:8.3f}{0:8.3f}  1.00  0.00           O\nEND\n"
    templates = PDBFixer(pdbfile=io.StringIO(blank)).templates
    lines: list[str] = []
    for number, (name, atoms) in enumerate(zip(residues, _backbone(residues), strict=True), 1):
        if name not in CAPS:
            template = templates[name]
            names = [atom.name for atom in template.topology.atoms()]
            side_chain = dict(zip(names, template.positions.value_in_unit(unit.angstrom), strict=True))
            atoms = _superpose(side_chain, atoms) | atoms
        for atom, (x, y, z) in atoms.items():
            where = f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
            lines.append(
                f"ATOM  {len(lines) + 1:5d}  {atom:<3s} {name:>3s} A{number:4d}    {where}          {atom[0]:>2s}"
            )
    return "\n".join([*lines, "END", ""])


def _superpose(template: dict[str, np.ndarray], atoms: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The template's atoms, moved so that its N, CA, C and CB lie on those of `atoms`."""
    common = [name for name in ("CA", "N", "C", "CB") if name in atoms]
    source = np.array([template[name] for name in common])
    target = np.array([atoms[name] for name in common])
    moved = superpose(source, target, np.array(list(template.values()), float))
    return dict(zip(template, moved, strict=True))


def _backbone(residues: list[str]) -> list[dict[str, np.ndarray]]:
    """Positions (Å) of the backbone atoms and CB of each residue, from ideal lengths, angles and extended torsions."""
    trace = [np.array([1.0, 0.0, 0.0]), np.zeros(3), np.array([0.0, 1.0, 0.0])]  # arbitrary: sets the orientation
    built = []
    for name in residues:
        phi = _PHI_PROLINE if name == "PRO" else _PHI
        step = {"N": (_C_N, _PSI), "CA": (_N_CA, np.pi), "C": (_CA_C, phi)}
        atoms = {}
        for atom, role in _CAP_ROLES.get(name, {"N": "N", "CA": "CA", "C": "C"}).items():
            atoms[atom] = _place(trace, *step[role])
            trace.append(atoms[atom])
        if name != "NME":
            atoms["O"] = _place(trace, _C_O, _PSI + np.pi)
        if name not in ("GLY", *CAPS):
            atoms["CB"] = _place([atoms["C"], atoms["N"], atoms["CA"]], _CA_CB, _CB_TORSION)
        built.append(atoms)
    if residues[-1] != "NME":
        built[-1]["OXT"] = _place(trace, _C_O, _PSI)
    return built


def _place(trace: list[np.ndarray], bond: _Bond, torsion: float) -> np.ndarray:
    """Next atom (3,) after the last three of `trace`, by bond length, bond angle and torsion."""
    a, b, c = trace[-3:]
    return place_atom(a, b, c, np.array(bond.length), np.array(bond.angle), np.array(torsion))
