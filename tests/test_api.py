import MDAnalysis as mda
import numpy as np
import pytest
from openmm.app import PDBFile

from openmm_mdgen.api.simulate import simulate
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.trajectory.recipe_file import write_recipe
from tests.helpers.toys import BindableTask, TorchWalk


@pytest.fixture
def pdb(data):
    return data / "ACE-A-NME.pdb"


@pytest.fixture
def walk():
    return TorchWalk(22)


def test_times_of_a_path(pdb, walk):
    universe = simulate(pdb, time=200, interval=5.0, model=walk, seed=4)
    assert [ts.time for ts in universe.trajectory] == [5.0 * index for index in range(1, 41)]
    assert universe.select_atoms("name CA").n_atoms == 1


def test_every_kind_of_structure_gives_the_same_frames(pdb, walk):
    file = PDBFile(str(pdb))
    universe = mda.Universe(str(pdb))
    sources = [pdb, str(pdb), universe, universe.atoms, (file.topology, file.positions), load_structure(pdb)]
    found = [simulate(source, time=100, model=walk, seed=4) for source in sources]
    expected = found[0].trajectory.timeseries(order="fac")
    for one in found:
        np.testing.assert_allclose(one.trajectory.timeseries(order="fac"), expected, atol=1e-5)
        assert list(one.atoms.names) == list(universe.atoms.names)
        assert list(one.residues.resnames) == list(universe.residues.resnames)


def test_universe_of_the_user_stays_as_it_is_and_lends_its_attributes(pdb, walk):
    universe = mda.Universe(str(pdb))
    universe.add_TopologyAttr("charges", np.arange(22.0))
    before = universe.atoms.positions.copy()
    new = simulate(universe.atoms, time=100, model=walk)
    np.testing.assert_array_equal(universe.atoms.positions, before)
    np.testing.assert_array_equal(new.atoms.charges, np.arange(22.0))
    assert universe.trajectory.n_frames == 1 and new.trajectory.n_frames == 10


def test_replicas_are_different_and_the_first_is_the_single_one(pdb, walk):
    runs = simulate(pdb, time=50, model=walk, seed=4, replicas=3)
    assert len(runs) == 3
    last = [run.trajectory[-1].positions.copy() for run in runs]
    np.testing.assert_array_equal(last[0], simulate(pdb, time=50, model=walk, seed=4).trajectory[-1].positions)
    assert not np.allclose(last[0], last[1]) and not np.allclose(last[1], last[2])
    assert len(simulate(pdb, time=50, model=walk, replicas=1)) == 1


def test_equilibration_is_left_out(pdb, walk):
    whole = simulate(pdb, time=100, model=walk)
    later = simulate(pdb, time=40, model=walk, equilibrate=60)
    np.testing.assert_array_equal(
        later.trajectory.timeseries(order="fac"), whole.trajectory.timeseries(order="fac")[6:]
    )
    assert later.trajectory[0].time == 10.0


def test_recipe_of_a_simulation_can_be_written(pdb, tmp_path, registry):
    registry["toy"] = BindableTask()
    universe = simulate(pdb, time=50, model="toy", seed=9)
    write_recipe(universe.trajectory.recipe, tmp_path / "a.mdgen")
    np.testing.assert_array_equal(
        mda.Universe(str(pdb), str(tmp_path / "a.mdgen")).trajectory.timeseries(), universe.trajectory.timeseries()
    )


def test_time_that_is_no_multiple_is_rounded_up_with_a_warning(pdb, walk, recwarn):
    assert simulate(pdb, time=0.3, interval=0.1, model=walk).trajectory.n_frames == 3  # 0.3 / 0.1 > 2.99
    assert not [one for one in recwarn if one.category is MDGenWarning]
    with pytest.warns(
        MDGenWarning, match="time 25 ps is not a multiple of the interval 10 ps; it is rounded up to 30 ps"
    ):
        assert simulate(pdb, time=25, model=walk).trajectory.n_frames == 3


def test_temperature_of_another_ensemble(pdb, recwarn):
    simulate(pdb, time=50, model=BindableTask(), temperature=350)
    assert not [one for one in recwarn if one.category is MDGenWarning]
    with pytest.warns(
        MDGenWarning, match="temperature 300 K is not the model's: the frames are of its ensemble at 350 K"
    ):
        simulate(pdb, time=50, model=BindableTask(), temperature=300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time": 0}, "time 0 ps must be above 0"),
        ({"time": -5.0}, r"time -5 ps must be above 0"),
        ({"time": float("inf")}, "time inf ps must be above 0"),
        ({"time": 10, "interval": 0}, "interval 0 ps must be above 0"),
        ({"time": 10, "equilibrate": -10}, "equilibrate -10 ps must be above 0"),
        ({"time": 10, "replicas": 0}, "replicas 0 must be a whole number of 1 or more"),
        ({"time": 10, "seed": -1}, "seed -1 is below 0"),
    ],
)
def test_bad_input(pdb, walk, arguments, message):
    with pytest.raises(MDGenError, match=message):
        simulate(pdb, model=walk, **arguments)


def test_missing_file(tmp_path, walk):
    with pytest.raises(MDGenError, match=r"absent\.pdb' .*cannot be read \(No such file"):
        simulate(tmp_path / "absent.pdb", time=10, model=walk)
