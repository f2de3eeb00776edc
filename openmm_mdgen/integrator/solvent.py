"""Waters and ions in a script's topology, and the lines that take the peptide out of them."""

from __future__ import annotations

from openmm import app

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.naming import IONS, WATERS, residue_to_canonical


def check_solvent(topology: app.Topology, step_size: float) -> None:
    """Raise when the topology holds waters or ions, which no bundled model generates.

    They are known by what they are made of, whatever they are called. The error ends with lines that can be pasted into
    a script; `step_size` (ps) is the script's own.
    """
    residues = list(topology.residues())
    waters = sum(_is_water(residue) for residue in residues)
    ions = sum(_is_ion(residue) for residue in residues)
    if not waters + ions:
        return
    strangers = sorted({residue.name for residue in residues if residue_to_canonical(residue.name) is None})
    raise MDGenError(
        f"the topology holds {waters} waters and {ions} ions, and the model's solvent is implicit; use the lines "
        "below, which take the peptide out (modeller.deleteWater() alone knows only HOH), in place of the script's own "
        "from createSystem on, without the barostat (examples/from_solvated.py):\n" + _remedy(strangers, step_size)
    )


def _remedy(strangers: list[str], step_size: float) -> str:
    names = ", ".join(repr(name) for name in strangers)
    return f"""
modeller = Modeller(pdb.topology, pdb.positions)
modeller.delete([residue for residue in modeller.topology.residues() if residue.name in ({names},)])
modeller.topology.setPeriodicBoxVectors(None)
forcefield = ForceField("amber14-all.xml", "implicit/obc2.xml")
system = forcefield.createSystem(modeller.topology, nonbondedMethod=NoCutoff, constraints=HBonds)
integrator = GenerativeIntegrator(modeller.topology, temperature=350*kelvin, stepSize={step_size * 1000:g}*femtoseconds)
simulation = Simulation(modeller.topology, system, integrator)
simulation.context.setPositions(modeller.positions)"""


def _is_water(residue: app.topology.Residue) -> bool:
    """One oxygen, perhaps with two hydrogens; sites without an element do not count."""
    symbols = sorted(atom.element.symbol for atom in residue.atoms() if atom.element is not None)
    return symbols in (["H", "H", "O"], ["D", "D", "O"]) or (symbols == ["O"] and residue.name.upper() in WATERS)


def _is_ion(residue: app.topology.Residue) -> bool:
    """One atom that is bonded to nothing and is no cap."""
    if len(residue) != 1 or _is_water(residue):
        return False
    return residue.name.upper() in IONS or (
        residue_to_canonical(residue.name) is None and not any(True for _ in residue.bonds())
    )
