"""`correct` from generated frames to weights: runs, restarts, files, rounds, bad input."""

import json
import subprocess
import sys
import time

import MDAnalysis as mda
import numpy as np
import openmm as mm
import pytest

import openmm_mdgen
from benchmarks.reweighting import chain_runs
from openmm_mdgen import MDGenError
from openmm_mdgen.cli import main
from openmm_mdgen.correction import plan
from openmm_mdgen.correction.correct import _Setup, correct
from openmm_mdgen.correction.ensemble import read_ensemble
from openmm_mdgen.correction.plan import check_system, choose_platform
from openmm_mdgen.correction.reweight import reweight
from openmm_mdgen.correction.running import make_run, read_run, run_file, write_plan
from openmm_mdgen.correction.verdict import verdict
from tests.helpers.correction_frames import alanine_system, hot_frames, langevin, simulation, to_universe

pytest.importorskip("deeptime")

SHORT = {
    "seeds": 8,
    "time": 6.0,
    "interval": 0.2,
    "settle": 0.2,
    "lag": 0.2,
    "n_bootstrap": 5,
    "progress": False,
    "workers": 1,
}


@pytest.fixture(scope="module")
def data(request):
    return request.config.rootpath / "tests" / "data"


@pytest.fixture(scope="module")
def frames(data):
    return hot_frames(data)


@pytest.fixture(scope="module")
def universe(data, frames):
    return to_universe(data, frames)


@pytest.fixture(scope="module")
def done(data, universe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("correction")
    result = correct(universe, simulation(data), folder=folder, **SHORT)
    return result, folder


def same(one, other) -> None:
    for name in ("weights", "run_positions", "run_weights", "seeds"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_weights_and_frames(done, frames):
    result, _ = done
    assert result.weights.shape == (len(frames),) and result.weights.sum() == pytest.approx(1)
    assert result.run_weights.sum() == pytest.approx(1)
    assert len(result.run_positions) == len(result.run_weights) == 8 * 30
    assert result.after.value.sum() == pytest.approx(1) and result.before.sum() == pytest.approx(1)
    assert result.temperature == 300 and not result.failures
    assert result.cost_ns == pytest.approx(8 * 6.2e-3)
    assert any("These populations" in sentence for sentence in result.verdict)
    value, half = result.mean(np.ones(len(result.run_weights)))
    assert value == pytest.approx(1) and half == pytest.approx(0, abs=1e-5)


def test_runs_are_at_the_temperature_of_the_integrator(done, data):
    """Heavy atoms of frames started at 600 K have cooled: potential energies of runs lie below those of the frames."""
    folder = done[1]
    energies = np.concatenate([read_run(folder / "round_0", k).energies for k in range(8)])
    context = mm.Context(alanine_system(data), langevin(), mm.Platform.getPlatformByName("Reference"))
    hot = []
    for frame in hot_frames(data, 30)[10:]:
        context.setPositions(frame / 10)
        hot.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert np.median(energies) < np.median(hot) - 15


def test_same_seed_same_result_from_a_system_and_from_a_simulation(done, data, universe):
    again = correct(universe, (alanine_system(data), langevin()), platform="Reference", **SHORT)
    same(done[0], again)


def test_another_seed_is_another_run(done, tmp_path):
    from openmm_mdgen.correction import running

    text = json.loads((done[1] / "round_0" / running.PLAN).read_text())
    text["plan"]["seed"] += 1
    (tmp_path / running.PLAN).write_text(json.dumps(text))
    (tmp_path / running.STARTS).write_bytes((done[1] / "round_0" / running.STARTS).read_bytes())
    make_run(tmp_path, 0)
    assert not np.array_equal(read_run(tmp_path, 0).positions, read_run(done[1] / "round_0", 0).positions)


def test_runs_that_are_there_are_not_made_again_and_a_lost_one_is(done, data, universe):
    result, folder = done
    lost, kept = run_file(folder / "round_0", 2), run_file(folder / "round_0", 3)
    lost.unlink()
    before = kept.stat().st_mtime_ns
    same(result, correct(universe, simulation(data), folder=folder, **SHORT))
    assert kept.stat().st_mtime_ns == before and lost.is_file()


def test_worker_processes_give_the_same_result(done, data, universe):
    same(done[0], correct(universe, simulation(data), **(SHORT | {"workers": 2})))


def test_a_run_goes_on_from_its_checkpoint_with_the_same_bits(done, data, tmp_path, monkeypatch):
    from openmm_mdgen.correction import running

    whole = read_run(done[1] / "round_0", 0)
    for name in (running.PLAN, running.STARTS):
        (tmp_path / name).write_bytes((done[1] / "round_0" / name).read_bytes())
    monkeypatch.setattr(running, "_CHECKPOINT_SECONDS", 0.0)
    frames = running._frames

    def killed(context, plan, number):
        for count, frame in enumerate(frames(context, plan, number)):
            if count == 7:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(running, "_frames", killed)
    with pytest.raises(KeyboardInterrupt):
        make_run(tmp_path, 0)
    assert (tmp_path / "run_0000.partial.npz").is_file()
    monkeypatch.setattr(running, "_frames", frames)
    make_run(tmp_path, 0)
    np.testing.assert_array_equal(read_run(tmp_path, 0).positions, whole.positions)
    assert not (tmp_path / "run_0000.partial.npz").exists()


@pytest.mark.slow
def test_killed_and_started_again(done, data, universe, tmp_path):
    """SIGKILL at several moments, through the command line with two workers; then the same weights."""
    universe.atoms.write(str(tmp_path / "top.pdb"))
    with mda.Writer(str(tmp_path / "gen.dcd"), universe.atoms.n_atoms, dt=10.0) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    (tmp_path / "system.xml").write_text(mm.XmlSerializer.serialize(alanine_system(data)))
    (tmp_path / "integrator.xml").write_text(mm.XmlSerializer.serialize(langevin()))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "openmm_mdgen", "correct", str(tmp_path / "gen.dcd")]
    command += ["--topology", str(tmp_path / "top.pdb"), "--system", str(tmp_path / "system.xml"), "--workers", "2"]
    command += ["--integrator", str(tmp_path / "integrator.xml"), "--platform", "Reference", "--quiet"]
    command += ["--seeds", "8", "--time", "6ps", "--interval", "0.2ps", "--lag", "0.2ps", "-o", str(out)]
    kills = 0
    for number in (0, 2, 4):  # finished runs at the moment of the kill
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("round_0/run_????.npz"))) < number:
            time.sleep(0.02)
        if number == 0:
            time.sleep(1.0)
        process.kill()
        kills += process.wait() != 0
    assert kills == 3
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    weights = np.loadtxt(out / "weights.csv", delimiter=",", skiprows=1)[:, 4]
    settings = SHORT | {"settle": 2.0}
    source = mda.Universe(str(tmp_path / "top.pdb"), str(tmp_path / "gen.dcd"))
    np.testing.assert_allclose(weights, correct(source, simulation(data), **settings).weights, rtol=1e-6)


def test_files(done, universe, tmp_path):
    result, _ = done
    page = result.write(tmp_path)
    text = page.read_text()
    assert "Correction of ACE-ALA-NME" in text and text.count("data:image/png") == 3
    assert result.verdict[0].split(":")[0].split("(")[0] in text
    table = np.loadtxt(tmp_path / "weights.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 4], result.weights)
    assert json.loads((tmp_path / "correction.json").read_text())["seeds"] == result.seeds.tolist()
    runs = mda.Universe(str(tmp_path / "runs.pdb"), str(tmp_path / "runs.xtc"))
    assert len(runs.trajectory) == len(np.load(tmp_path / "runs.npz")["weights"])
    np.testing.assert_allclose(runs.trajectory[5].positions, result.run_positions[5], atol=0.02)
    assert (tmp_path / "populations.csv").read_text().startswith("state,before,after,low,high")


def test_weights_as_an_auxiliary(done, universe, tmp_path):
    result, _ = done
    copy = universe.copy()
    result.attach(copy)
    assert [float(ts.aux.weight) for ts in copy.trajectory] == pytest.approx(result.weights.tolist())
    result.write(tmp_path)
    other = universe.copy()
    other.trajectory.add_auxiliary("weight", str(tmp_path / "weights.xvg"), data_selector=1)
    assert float(other.trajectory[7].aux.weight) == pytest.approx(result.weights[7])
    with pytest.raises(MDGenError, match="5 frames cannot take 60 weights"):
        result.attach(mda.Universe(universe._topology, universe.trajectory.get_array()[:5], order="fac"))


def test_rounds_start_from_other_frames_and_stop_at_the_tolerance(data, universe):
    settings = SHORT | {"seeds": 4, "rounds": 2}
    two = correct(universe, simulation(data), **settings)
    assert two.rounds == 2 and len(set(two.seeds.tolist())) == 8
    first, later = two.seeds[:4], two.seeds[4:] - len(two.weights)
    assert (first < len(two.weights)).all()  # generated frames
    assert (later < len(two.run_positions)).all() and (two.runs[later[later >= 0]] < 4).all()  # or of the first runs
    assert correct(universe, simulation(data), **settings, tolerance=1.0).rounds == 1


def planned(universe, folder, forcefield=None, water=None, platform="Reference", **settings):
    """A folder with the plan of two short runs."""
    ensemble = read_ensemble(universe)
    setup = _Setup(ensemble, None, forcefield, water, 300.0, platform, 0.04)
    settings = {"time": 0.4, "interval": 0.04, "settle": 0.04, "max_iterations": 5, "seed": 0} | settings
    plan, starts, boxes = setup.plan(ensemble.positions[[10, 50]], **settings)
    write_plan(folder, plan, starts, boxes)
    return folder


def test_a_force_field_by_name(universe, tmp_path):
    make_run(planned(universe, tmp_path, ["amber99sb.xml", "implicit/gbn2.xml"]), 0)
    run = read_run(tmp_path, 0)
    assert run.positions.shape == (10, 22, 3) and not run.failure


def test_explicit_water(universe, tmp_path):
    planned(universe, tmp_path, water="tip3p", platform="CPU")
    starts = np.load(tmp_path / "starts.npz")["starts"]
    assert len(starts) == 2 and starts.shape[1] > 1000
    make_run(tmp_path, 1)
    run = read_run(tmp_path, 1)
    assert run.positions.shape == (10, 22, 3) and not run.failure
    assert np.linalg.norm(run.positions - run.positions[:, :1], axis=-1).max() < 12.0  # whole, in a periodic box


def test_seeds_that_blow_up_are_named_left_out_and_counted(data, frames, tmp_path):
    broken = frames.copy()
    broken[:30] = frames[:30, :1] + np.random.default_rng(0).normal(0, 0.02, (30, 22, 3))  # atoms on top of one another
    universe = to_universe(data, np.concatenate((frames, broken[:3])))
    folder = tmp_path / "runs"
    settings = SHORT | {"max_iterations": 0}
    result = correct(universe, simulation(data), folder=folder, **settings)
    target = run_file(folder / "round_0", 1)
    np.savez(target, positions=np.zeros((0, 22, 3), np.float32), energies=np.zeros(0), failure="it blew up")
    result = correct(universe, simulation(data), folder=folder, **settings)
    assert result.failures == {int(result.seeds[1]): "it blew up"}
    assert "1 of 8 runs were left out" in " ".join(result.verdict)
    assert len(result.run_positions) == 7 * 30


def test_a_run_that_is_not_a_number_is_a_failure(done, tmp_path):
    from openmm_mdgen.correction import running

    for name in (running.PLAN, running.STARTS):
        (tmp_path / name).write_bytes((done[1] / "round_0" / name).read_bytes())
    starts = running.read_plan(tmp_path)[1]
    starts[0] = 1e-3 * np.arange(66).reshape(22, 3)
    np.savez(tmp_path / running.STARTS, starts=starts, boxes=np.zeros((0, 3, 3)))
    text = json.loads((tmp_path / running.PLAN).read_text())
    text["plan"]["max_iterations"] = 0
    (tmp_path / running.PLAN).write_text(json.dumps(text))
    make_run(tmp_path, 0)
    run = read_run(tmp_path, 0)
    assert run.failure and len(run.positions) == 0


def test_frames_of_d_residues_are_not_started_from(data, frames):
    mirrored = frames * np.array([-1.0, 1, 1], np.float32)
    universe = to_universe(data, np.concatenate((frames[:20], mirrored[:20])))
    result = correct(universe, simulation(data), **(SHORT | {"seeds": 5}))
    assert result.unusable == 20 and result.seeds.max() < 20


def test_bad_input(data, universe, frames, tmp_path):
    system = alanine_system(data)
    with pytest.raises(MDGenError, match="60 usable generated frames are fewer than 61 seeds"):
        correct(universe, simulation(data), **(SHORT | {"seeds": 61}))
    with pytest.raises(MDGenError, match=r"temperature 310 K was asked for, the integrator keeps 300 K"):
        correct(universe, simulation(data), temperature=310.0, **SHORT)
    with pytest.raises(MDGenError, match="no temperature was given with the System"):
        correct(universe, system, **SHORT)
    with pytest.raises(MDGenError, match="VerletIntegrator has no temperature"):
        correct(universe, (system, mm.VerletIntegrator(0.002)), **SHORT)
    with pytest.raises(MDGenError, match="no multiple of the integrator's step"):
        correct(universe, (system, langevin()), **(SHORT | {"interval": 0.21}))
    other = mm.System()
    for _ in range(5):
        other.addParticle(12.0)
    with pytest.raises(MDGenError, match="the System has 5 particles, the trajectory 22 atoms"):
        correct(universe, other, temperature=300.0, **SHORT)
    with pytest.raises(MDGenError, match="in one order of atoms"):
        check_system(system, ["H", "H", "H", *["C"] * 19])
    with pytest.raises(MDGenError, match="0 hydrogens, which force fields need"):
        correct(universe.select_atoms("not element H"), temperature=300.0, **SHORT)
    with pytest.raises(MDGenError, match="platform 'Abacus' is not present"):
        correct(universe, (system, langevin()), platform="Abacus", **SHORT)
    with pytest.raises(MDGenError, match=r"no_such\.xml"):
        correct(universe, forcefield=["no_such.xml"], temperature=300.0, **SHORT)
    with pytest.raises(MDGenError, match="water 'holy' is not known"):
        correct(universe, water="holy", temperature=300.0, **SHORT)
    with pytest.raises(MDGenError, match="give one of them"):
        correct(universe, system, water="tip3p", **SHORT)
    with pytest.raises(MDGenError, match="settle and equilibrate must be 0 ps or more, not -1"):
        correct(universe, water="tip3p", temperature=300.0, equilibrate=-1.0, **SHORT)
    thermostatted = alanine_system(data)
    thermostatted.addForce(mm.AndersenThermostat(320.0, 1.0))
    with pytest.raises(MDGenError, match="temperature 300 K was asked for, the integrator keeps 320 K"):
        correct(universe, (thermostatted, mm.VerletIntegrator(0.002)), temperature=300.0, **SHORT)
    with pytest.raises(MDGenError, match=r"with all their atoms|complete"):
        correct(universe.select_atoms("not name HB1"), forcefield=["amber99sb.xml"], temperature=300.0, **SHORT)
    with pytest.raises(MDGenError, match="rounds 0"):
        correct(universe, system, **SHORT, rounds=0)
    with pytest.raises(MDGenError, match="are not possible"):
        correct(universe, system, **(SHORT | {"time": 0.1}))
    with pytest.raises(MDGenError, match="not one of OpenMM's own integrators"):
        correct(universe, (system, type("Mine", (mm.CustomIntegrator,), {})(0.002)), **SHORT)


def test_a_folder_of_other_runs_is_refused(done, data, universe):
    with pytest.raises(MDGenError, match="holds runs of another System, ensemble or setting"):
        correct(universe, simulation(data), folder=done[1], **(SHORT | {"time": 4.0}))


def test_the_platform_is_the_fastest_unless_named(data, frames):
    texts = [mm.XmlSerializer.serialize(thing) for thing in (alanine_system(data), langevin())]
    assert choose_platform(*texts, frames[0], "CPU") == "CPU"
    assert choose_platform(*texts, frames[0], None) in ("Reference", "CPU", "CUDA", "OpenCL", "HIP")


def test_the_platform_is_told_for_a_start_that_would_blow_up(data, frames):
    texts = [mm.XmlSerializer.serialize(thing) for thing in (alanine_system(data), langevin())]
    crowded = frames[0] * 0.2
    tried = {name: plan._seconds(*texts, crowded, name) for name in ("Reference", "CPU")}
    assert all(seconds is not None for seconds in tried.values())


def test_the_platform_does_not_depend_on_what_else_the_processor_does(data, frames, monkeypatch):
    texts = [mm.XmlSerializer.serialize(thing) for thing in (alanine_system(data), langevin())]
    ticks = iter([0.0, 1.0, 5.0, 6.5])  # processor seconds of one platform, then of the other
    monkeypatch.setattr(plan, "platform_names", lambda: ["Reference", "CPU"])
    monkeypatch.setattr(plan.time, "process_time", lambda: next(ticks))
    assert choose_platform(*texts, frames[0], None) == "Reference"


def test_command_line_says_one_line(capsys, tmp_path, data):
    with pytest.raises(SystemExit):
        main(["correct", str(tmp_path / "none.dcd"), "-o", str(tmp_path / "out")])
    assert capsys.readouterr().err.startswith("error: no generated file matches")
    (tmp_path / "bad.xml").write_text("nothing")
    with pytest.raises(SystemExit):
        main(["correct", str(data / "ACE-A-NME.pdb"), "--system", str(tmp_path / "bad.xml"), "-o", str(tmp_path / "o")])
    assert "cannot be read as an OpenMM System" in capsys.readouterr().err


def test_exported_and_lazy():
    assert openmm_mdgen.correct is correct
    assert "correct" in dir(openmm_mdgen)


def test_verdicts_name_the_weakest_link_and_what_is_not_connected():
    rng = np.random.default_rng(0)
    rough = reweight(chain_runs(rng, 30, 20), 1, n_bootstrap=20)
    assert verdict(rough, 0, 30)[0].startswith("These populations rest on") or "rough" in verdict(rough, 0, 30)[0]
    good = reweight(chain_runs(rng, 600, 100), 1, n_bootstrap=20)
    assert verdict(good, 0, 600)[0].startswith("These populations are sound")
    away = [np.full((51, 3), 9.0) for _ in range(3)]
    generated = np.concatenate((np.eye(3), np.full((2, 3), 9.0)))
    parted = verdict(reweight([*chain_runs(rng, 200, 50), *away], 1, generated, n_bootstrap=20), 2, 203)
    assert parted[0].startswith("Shares between 2 parts rest on the generated frames: the runs did not connect them")
    assert "0 runs crossed between them" in parted[0] and "Run 20 x longer" in parted[0]
    assert "opulations" in parted[1] and parted[-1] == "2 of 203 runs were left out."
