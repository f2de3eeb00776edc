"""Topologies, Universes and files become the same Structure."""

import MDAnalysis
import numpy as np
import pytest
from MDAnalysisTests import datafiles
from openmm import app, unit

from openmm_mdgen.convert.structures import atomgroup_to_structure, load_structure, topology_to_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.peptide import Peptide

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
PEPTIDES = ("ACE-A-NME", "ITVLHC")


@pytest.fixture(params=PEPTIDES)
def path(request, data):
    """A small PDB file."""
    return data / f"{request.param}.pdb"


def test_every_source_gives_the_same_peptide(path):
    file = app.PDBFile(str(path))
    universe = MDAnalysis.Universe(str(path))
    expected = Peptide.from_structure(load_structure(path))
    in_nm = file.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    for source in (str(path), universe, universe.atoms, (file.topology, file.positions), (file.topology, in_nm)):
        structure = load_structure(source)
        assert Peptide.from_structure(structure) == expected
        np.testing.assert_allclose(structure.positions, universe.atoms.positions, atol=1e-5)
        assert structure.positions.dtype == np.float64
    assert load_structure(structure) is structure


@pytest.mark.parametrize("extension", ["gro", "cif", "pdb"])
def test_formats_give_the_same_peptide(path, tmp_path, extension):
    file = app.PDBFile(str(path))
    written = tmp_path / f"copy.{extension}"
    if extension == "cif":
        with written.open("w") as stream:
            app.PDBxFile.writeFile(file.topology, file.positions, stream)
    else:
        MDAnalysis.Universe(str(path)).atoms.write(str(written))
    assert Peptide.from_structure(load_structure(written)) == Peptide.from_structure(load_structure(path))


def test_a_shuffled_selection_keeps_its_order(data):
    universe = MDAnalysis.Universe(str(data / "ITVLHC.pdb"), guess_bonds=True)
    order = np.random.default_rng(0).permutation(universe.atoms.n_atoms)
    structure = atomgroup_to_structure(universe.atoms[order])
    assert structure.names == tuple(universe.atoms.names[order])
    assert len(structure.bonds) == len(universe.bonds)
    whole = Peptide.from_structure(load_structure(universe))
    assert {slot: order[atom] for slot, atom in Peptide.from_structure(structure).heavy.items()} == whole.heavy


def test_bonds_and_chains_of_a_topology(data):
    file = app.PDBFile(str(data / "ACE-A-NME.pdb"))
    positions = file.getPositions(asNumpy=True)
    modeller = app.Modeller(file.topology, positions)
    modeller.add(file.topology, positions + 5 * unit.nanometer)
    structure = topology_to_structure(modeller.topology, modeller.positions)
    assert structure.chains.tolist() == [0] * 22 + [1] * 22
    assert len(structure.bonds) == 2 * 21
    with pytest.raises(MDGenError, match="2 chains"):
        Peptide.from_structure(structure)


@pytest.mark.parametrize(
    ("files", "selection", "sequence", "caps"),
    [
        ((datafiles.PRMncdf, datafiles.NCDF), "protein", "VEV", False),
        ((datafiles.PRMpbc, datafiles.TRJpbc_bz2), "protein", "A", True),
        ((datafiles.PRM, datafiles.TRJ), "all", "AEFHRWSSYMVHWK", False),
        ((datafiles.PRM7, datafiles.NCDFtruncoct), "protein or resname NHE", "SWTWENGKWTWK", None),
        ((datafiles.PSF, datafiles.DCD), "protein", "MRIILLGAPGAGKGTQAQFIMEKYGIPQIS", False),
    ],
    ids=["Val-Glu-Val", "ACE-ALA-NME", "14 residues", "trpzip2", "AdK"],
)
def test_real_inputs(files, selection, sequence, caps):
    universe = MDAnalysis.Universe(*files)
    peptide = Peptide.from_structure(load_structure(universe.select_atoms(selection)))
    assert peptide.sequence.startswith(sequence)
    assert len(peptide.heavy) + len(peptide.hydrogens) == peptide.n_atoms
    if caps is not None:
        assert (peptide.residue_types[0] == "ACE", peptide.residue_types[-1] == "NME") == (caps, caps)


def test_solvated_inputs_name_what_to_select():
    with pytest.raises(MDGenError, match=r"1 ions \(Na\+\), 870 waters \(WAT\).*select_atoms\('protein"):
        Peptide.from_structure(load_structure(MDAnalysis.Universe(datafiles.PRMncdf, datafiles.NCDF)))


def test_a_molecule_broken_across_the_box():
    universe = MDAnalysis.Universe(datafiles.GRO)
    with pytest.raises(MDGenError, match=r"chain breaks .*make the molecule whole across the periodic box"):
        Peptide.from_structure(load_structure(universe.select_atoms("protein")))


def test_a_file_that_is_absent(tmp_path):
    with pytest.raises(MDGenError, match=r"none\.pdb' does not exist; check the path"):
        load_structure(tmp_path / "none.pdb")


@pytest.mark.parametrize("name", ["text.gro", "text.cif", "text.unknown"])
def test_a_file_that_is_no_structure(tmp_path, name):
    (tmp_path / name).write_text("nothing to see\n")
    with pytest.raises(MDGenError, match=r"cannot be read .*give a PDB, mmCIF or GRO file") as raised:
        load_structure(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_an_empty_pdb(tmp_path):
    (tmp_path / "empty.pdb").write_text("END\n")
    with pytest.raises(MDGenError, match=r"no atoms|cannot be read"):
        Peptide.from_structure(load_structure(tmp_path / "empty.pdb"))


def test_a_topology_without_coordinates():
    with pytest.raises(MDGenError, match="has no coordinates; pass a Universe of topology and coordinates"):
        load_structure(datafiles.PSF)
    with pytest.raises(MDGenError, match="has no coordinates"):
        load_structure(MDAnalysis.Universe(datafiles.PSF))


def test_a_format_without_residue_names(data, tmp_path):
    MDAnalysis.Universe(str(data / "ITVLHC.pdb")).atoms.write(str(tmp_path / "bare.xyz"))
    with pytest.raises(MDGenError, match="has no atom or residue names; give a topology that has"):
        load_structure(tmp_path / "bare.xyz")


def test_an_empty_selection(data):
    universe = MDAnalysis.Universe(str(data / "ITVLHC.pdb"))
    with pytest.raises(MDGenError, match="the selection has 0 atoms"):
        load_structure(universe.select_atoms("resname LIG"))


def test_a_source_of_no_known_kind():
    with pytest.raises(MDGenError, match="cannot be made of a int; give a path"):
        load_structure(3)  # type: ignore[arg-type]
