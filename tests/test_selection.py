"""``protein`` means every residue that the one table knows."""

from MDAnalysis import Universe

from openmm_mdgen.convert.selection import peptide_atoms, select_known


def universe() -> Universe:
    made = Universe.empty(4, n_residues=4, atom_resindex=[0, 1, 2, 3])
    made.add_TopologyAttr("names", ["C", "CA", "CA", "O"])
    made.add_TopologyAttr("resnames", ["ACE", "NALA", "HISE", "HOH"])
    return made


def test_caps_and_names_of_force_fields_are_peptide():
    assert peptide_atoms(universe()).resnames.tolist() == ["ACE", "NALA", "HISE"]


def test_the_word_protein_is_widened_alone():
    atoms = universe()
    assert select_known(atoms, "protein and name CA").resnames.tolist() == ["NALA", "HISE"]
    assert select_known(atoms, "resname HOH").resnames.tolist() == ["HOH"]
    assert select_known(atoms, "not protein").resnames.tolist() == ["HOH"]


def test_without_residue_names_there_is_none():
    assert len(peptide_atoms(Universe.empty(2))) == 0
