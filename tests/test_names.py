"""What generated Universes call their files, and analyses that ask for it."""

import pickle

import MDAnalysis as mda
import numpy as np
import pytest
from MDAnalysis.analysis import align
from openmm.app import PDBFile

import openmm_mdgen
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.trajectory.names import GeneratedName
from openmm_mdgen.trajectory.reader import recipe_to_universe
from tests.helpers import tiny
from tests.helpers.toys import TorchWalk

PDB = tiny.DATA / "ACE-A-NME.pdb"


def simulated(source):
    return openmm_mdgen.simulate(source, time=100, model=TorchWalk(22))


def from_openmm():
    pdb = PDBFile(str(PDB))
    return simulated((pdb.topology, pdb.positions))


SOURCES = {
    "path": lambda: simulated(PDB),
    "text": lambda: simulated(str(PDB)),
    "Universe": lambda: simulated(mda.Universe(str(PDB))),
    "AtomGroup": lambda: simulated(mda.Universe(str(PDB)).select_atoms("all")[::-1]),
    "OpenMM": from_openmm,
    "Structure": lambda: simulated(load_structure(PDB)),
    "recipe": lambda: recipe_to_universe(simulated(PDB).trajectory.recipe),
    "memory": lambda: tiny.moving_universe("ACE-A-NME"),
    "upsampled": lambda: openmm_mdgen.upsample(simulated(PDB), "5ps", model="linear"),
}


@pytest.fixture(params=SOURCES)
def universe(request):
    return SOURCES[request.param]()


def test_a_name_that_can_be_held_and_opened(universe):
    assert isinstance(universe.filename, str) and str(universe.filename)
    again = mda.Universe(universe.filename, universe.trajectory.timeseries(order="fac"))
    assert again.atoms.names.tolist() == universe.atoms.names.tolist()
    assert again.residues.resids.tolist() == universe.residues.resids.tolist()
    np.testing.assert_array_equal(again.trajectory[-1].positions, universe.trajectory[-1].positions)


def test_the_name_is_the_files():
    assert SOURCES["path"]().filename == str(PDB)
    assert SOURCES["OpenMM"]().filename == "generated"


def test_the_trajectorys_name_opens_it():
    """As analyses do that read with a second Universe."""
    universe = simulated(PDB)
    again = mda.Universe(universe.filename, universe.trajectory.filename)
    np.testing.assert_array_equal(again.trajectory[3].positions, universe.trajectory[3].positions)


def test_names_travel(universe):
    name = pickle.loads(pickle.dumps(universe.filename))
    assert isinstance(name, GeneratedName) and name == universe.filename
    assert mda.Universe(name).atoms.n_atoms == universe.atoms.n_atoms


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_encore(universe):
    from MDAnalysis.analysis import encore

    other = simulated(PDB)
    if universe.atoms.names.tolist() != other.atoms.names.tolist():
        other = universe.copy()
    matrix, _ = encore.hes([universe, other], select="name CA C N O")
    assert np.isfinite(matrix).all()
    distances = encore.get_distance_matrix(
        encore.utils.merge_universes([universe, other]), select="name CA C N", verbose=False
    )
    assert np.isfinite(distances.as_array()).all()
    pieces = encore.bootstrap.get_ensemble_bootstrap_samples(universe, samples=2)
    assert len(pieces) == 2


def test_alignment_writes_beside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    universe = simulated(PDB)
    aligner = align.AlignTraj(universe, mda.Universe(str(PDB)), select="name CA C N", filename="fitted.dcd").run()
    assert len(aligner.results.rmsd) == 10 and (tmp_path / "fitted.dcd").exists()
