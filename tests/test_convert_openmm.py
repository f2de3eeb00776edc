from dataclasses import replace

import openmm
import pytest
from openmm.app import PDBFile

from openmm_mdgen.convert.openmm import structure_to_topology
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.forcefield.build import build_peptide, build_system
from openmm_mdgen.forcefield.minimizer import Minimizer


@pytest.mark.parametrize("name", ["ACE-A-NME.pdb", "QGRE.pdb"])
def test_same_system_as_openmm_makes_of_the_file(data, name):
    structure = load_structure(data / name)
    ours, theirs = structure_to_topology(structure), PDBFile(str(data / name)).topology
    assert ours.getNumBonds() == theirs.getNumBonds()
    systems = [openmm.XmlSerializer.serialize(build_system(topology)) for topology in (ours, theirs)]
    energies = [Minimizer(openmm.XmlSerializer.deserialize(xml)).energy(structure.positions) for xml in systems]
    assert energies[0] == pytest.approx(energies[1], abs=1e-6)


def test_methyls_of_valine_named_the_wrong_way_round():
    right = load_structure(build_peptide("GVG"))
    swap = {"CG1": "CG2", "CG2": "CG1"}
    wrong = replace(right, names=tuple(swap.get(name, name) for name in right.names))
    systems = [build_system(structure_to_topology(structure)) for structure in (right, wrong)]
    energies = [Minimizer(system).energy(right.positions) for system in systems]
    assert energies[0] == pytest.approx(energies[1], abs=1e-6)


def test_charmm_names_and_atom_order_stay(data):
    right = load_structure(data / "QGRE.pdb")
    charmm = {"H": "HN", "OXT": "OT2", "O": "OT1"}
    last = right.residues.max()
    names = tuple(
        charmm.get(name, name) if name == "H" or residue == last else name
        for name, residue in zip(right.names, right.residues, strict=True)
    )
    topology = structure_to_topology(replace(right, names=names))
    assert [atom.element.symbol for atom in topology.atoms()] == list(right.elements)
    assert build_system(topology).getNumParticles() == len(names)
