"""`openmm_mdgen.evaluate` and the command: results, controls, report, bad input."""

import csv
import inspect
import json
import re
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

import openmm_mdgen
from openmm_mdgen import cli
from openmm_mdgen.cli.evaluate import repeat_lists
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation import Evaluation, evaluate
from openmm_mdgen.evaluation.controls import REPLICATE, SHUFFLED, prefix
from openmm_mdgen.evaluation.verdicts import structure_verdict
from tests.helpers.evaluate_toys import heavy_universe, toy_frames

QUICK = {"n_bootstrap": 10, "n_energies": 0, "lag": 20.0, "n_clusters": 20, "n_states": 4}


def side(data: Path, seed: int, n: int = 400, replicas: int = 3, **options) -> list[mda.Universe]:
    """Replicas of the toy molecule."""
    pdb = data / "QGRE.pdb"
    return [heavy_universe(pdb, toy_frames(pdb, n, 10 * seed + k, **options)) for k in range(replicas)]


@pytest.fixture(scope="module")
def sides(data):
    return side(data, 1), side(data, 2), side(data, 3)


@pytest.fixture(scope="module")
def result(sides) -> Evaluation:
    reference, generated, replicate = sides
    return evaluate(reference, generated, replicate=replicate, **QUICK)


def test_another_run_of_the_same_process_is_as_good_as_a_replicate(result):
    floor = result.controls[REPLICATE]
    assert result.scores.ensemble.all_torsions.value == pytest.approx(floor.ensemble.all_torsions.value, rel=0.3)
    assert "As good as a repeat" in result.verdicts["ensemble"]
    assert "Time order is kept" in result.verdicts["dynamics"]
    assert result.scores.relaxation_r > 0.8
    assert result.structure.generated.n_frames == 1200
    assert result.chain.rmsf_generated.mean() == pytest.approx(result.chain.rmsf_reference.mean(), rel=0.1)


def test_shuffled_copy_keeps_the_ensemble_and_loses_the_dynamics(result):
    shuffled = result.controls[SHUFFLED]
    for name, value in shuffled.ensemble.figures().items():
        assert value.value == pytest.approx(result.scores.ensemble.figures()[name].value), name
    assert shuffled.states.value == pytest.approx(result.scores.states.value)
    for lag, value in result.scores.autocorrelation.items():
        assert shuffled.autocorrelation[lag] > 3 * value, lag
    assert shuffled.tica_0_time < result.scores.tica_0_time / 3


def test_shorter_prefixes_score_worse(result):
    values = [c.ensemble.all_torsions.value for n, c in result.controls.items() if n.startswith("1/")]
    assert len(values) == 4
    assert values == sorted(values)
    assert values[-1] > 2 * result.scores.ensemble.all_torsions.value


def test_prefix_takes_whole_replicas_first():
    units = [np.arange(10)[:, None], np.arange(10)[:, None]]
    assert [len(u) for u in prefix(units, 0.75)] == [10, 5]
    assert [len(u) for u in prefix(units, 0.01)] == [1]


def test_dynamics_of_another_speed_are_seen(data, sides):
    fast = side(data, 4, slow=0.4)
    found = evaluate(sides[0], fast, **QUICK)
    assert found.decorrelation_time.generated < 0.3 * found.decorrelation_time.reference
    assert found.decorrelation.relaxation_generated[0] < 0.3 * found.decorrelation.relaxation_reference[0]


def test_speed_up(sides):
    found = evaluate(*sides[:2], **QUICK, wall_seconds=(1000.0, 10.0)).decorrelation_time
    assert found.speed_up == pytest.approx(100 * found.reference / found.generated)
    with pytest.raises(MDGenError, match="wall times of 0 and 1 s"):
        evaluate(*sides[:2], **QUICK, wall_seconds=(0.0, 1.0))


def test_the_package_offers_a_plain_function():
    assert inspect.isfunction(openmm_mdgen.evaluate)
    assert openmm_mdgen.evaluate is evaluate


def test_json_and_csv_hold_every_number(result):
    content = json.loads(result.to_json())
    assert content["scores"]["ensemble"]["backbone"]["value"] == pytest.approx(result.scores.ensemble.backbone.value)
    assert set(content["controls"]) == set(result.controls)
    rows = dict(csv.reader(result.to_csv().splitlines()))
    assert float(rows["scores.ensemble.backbone.value"]) == pytest.approx(result.scores.ensemble.backbone.value)
    assert float(rows["decorrelation.lags.0"]) == 10.0
    assert "NaN" not in result.to_json()


def test_report_is_one_file_that_asks_for_nothing(result, tmp_path):
    page = result.write(tmp_path / "new" / "report")
    text = page.read_text(encoding="utf-8")
    assert {p.name for p in page.parent.iterdir()} == {"report.html", "evaluation.json", "evaluation.csv"}
    assert "default-src 'none'" in text
    body = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(?:src|href)=\"(?!data:)", body)
    assert body.count("data:image/png;base64,") == 7
    assert all(words.replace("'", "&#39;") in body for words in result.verdicts.values())
    assert "MODEL" in text
    assert result.view.reference.count("MODEL ") == result.view.generated.count("MODEL ") <= 100


def test_unwritable_output(result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MDGenError, match="cannot write to"):
        result.write(tmp_path / "file" / "report")


def test_intervals_may_differ(data, sides):
    fine = [heavy_universe(data / "QGRE.pdb", u.trajectory.get_array(), dt=5.0) for u in sides[1]]
    found = evaluate(sides[0], fine, **QUICK)
    assert found.decorrelation.lags[0] == 10.0
    assert "backbone 20 ps" in found.scores.autocorrelation


def test_broken_structures_are_named(sides, data):
    frames = [u.trajectory.get_array().copy() for u in sides[1]]
    frames[0][:40, -1] += frames[0][:40, -1] - frames[0][:40, -2]  # away from the other oxygen
    found = evaluate(sides[0], [heavy_universe(data / "QGRE.pdb", f) for f in frames], **QUICK)
    assert found.structure.generated.broken_bond == pytest.approx(40 / 1200)
    assert "Not sound: broken bonds in 3.33% of frames" in structure_verdict(found.structure)


def test_a_state_that_is_never_visited(data, sides):
    """The generated side stays in its start's state of the slow torsion."""
    stuck = side(data, 5, slow=1e-9)
    found = evaluate(sides[0], stuck, **QUICK)
    assert found.states.unvisited
    assert "never visited" in found.verdicts["states"]


def test_transition_paths_and_designs(data, sides):
    pdb = data / "QGRE.pdb"
    paths = [heavy_universe(pdb, sides[2][0].trajectory.get_array()[s : s + 21]) for s in (0, 40, 80)]
    found = evaluate(*sides[:2], **QUICK, paths=paths, designed=["QGRE", "QGRD"])
    assert found.paths.n_paths == 3
    assert found.paths.valid == 1
    assert found.recovery.per_position.tolist() == [1, 1, 1, 0.5]
    with pytest.raises(MDGenError, match="paths of 4 frames are too short at a lag of 20 ps; at least 5"):
        evaluate(*sides[:2], **QUICK, paths=[heavy_universe(pdb, sides[2][0].trajectory.get_array()[:4])])


def test_alanine_has_no_side_chain_scores(data):
    pdb = data / "ACE-A-NME.pdb"
    reference, generated = ([heavy_universe(pdb, toy_frames(pdb, 300, s + k)) for k in range(2)] for s in (0, 5))
    found = evaluate(reference, generated, **QUICK)
    assert np.isnan(found.scores.ensemble.side_chains.value)
    assert np.isfinite(found.scores.ensemble.joint.value)
    assert any("no chi angle" in note for note in found.notes)
    assert json.loads(found.to_json())["scores"]["ensemble"]["side_chains"]["value"] is None


def test_one_residue_without_caps(data):
    universe = heavy_universe(data / "ACE-A-NME.pdb")
    alone = mda.Merge(universe.select_atoms("resname ALA"))
    alone.load_new(np.repeat(alone.atoms.positions[None], 50, axis=0), dt=10.0)
    with pytest.raises(MDGenError, match="the molecule has 0 phi, psi and chi angles"):
        evaluate(alone, alone, **QUICK)


def test_too_few_frames_for_the_lag(data, sides):
    with pytest.raises(
        MDGenError, match="400 frames of 10 ps are too few for a lag of 5000 ps; the reference needs at least 502"
    ):
        evaluate(*sides[:2], **(QUICK | {"lag": 5000.0}))
    with pytest.raises(
        MDGenError, match="3 frames of 10 ps are too few for a lag of 20 ps; the generated needs at least 4"
    ):
        evaluate(sides[0], side(data, 6, n=3), **QUICK)


def test_different_topologies(data, sides):
    alanine = heavy_universe(data / "ACE-A-NME.pdb", np.zeros((50, 10, 3)))
    with pytest.raises(MDGenError, match="topologies differ: ACE-ALA-NME against GLN-GLY-ARG-GLU"):
        evaluate(sides[0], alanine, **QUICK)
    shorter = mda.Merge(sides[1][0].select_atoms("not name OXT"))
    with pytest.raises(MDGenError, match=r"topologies differ in 1 heavy atoms, the first is OXT of residue 4 \(GLU\)"):
        evaluate(sides[0], shorter, **QUICK)


def test_atoms_in_another_order_are_matched(data, sides):
    pdb = data / "QGRE.pdb"
    order = np.random.default_rng(0).permutation(34)
    order = order[np.argsort(heavy_universe(pdb).atoms.resindices[order], kind="stable")]
    mixed = []
    for universe in sides[1]:
        other = mda.Merge(sides[1][0].atoms[order])
        mixed.append(other.load_new(universe.trajectory.get_array()[:, order], dt=10.0))
    assert evaluate(sides[0], mixed, **QUICK).scores == evaluate(*sides[:2], **QUICK).scores


def test_frames_that_are_not_numbers(data, sides):
    frames = sides[1][0].trajectory.get_array().copy()
    frames[17, 3] = np.nan
    with pytest.raises(MDGenError, match=r"frame 17 of .* has positions that are not numbers"):
        evaluate(sides[0], heavy_universe(data / "QGRE.pdb", frames), **QUICK)


def test_constant_torsions(data):
    pdb = data / "QGRE.pdb"
    still = heavy_universe(pdb, np.repeat(heavy_universe(pdb).atoms.positions[None], 60, axis=0))
    with pytest.raises(MDGenError, match="no torsion of the reference moves"):
        evaluate(still, still, **QUICK)


def test_water_needs_a_selection(data, sides):
    water = mda.Universe.empty(1, atom_resindex=[0], trajectory=True)
    for name, value in (("names", ["OW"]), ("resnames", ["HOH"]), ("resids", [9]), ("segids", ["W"])):
        water.add_TopologyAttr(name, value)
    wet = mda.Merge(sides[0][0].atoms, water.atoms)
    frames = sides[0][0].trajectory.get_array()
    wet.load_new(np.concatenate([frames, np.zeros((len(frames), 1, 3))], axis=1), dt=10.0)
    with pytest.raises(MDGenError, match=r"1 residues are not amino acids \(HOH\)"):
        evaluate(wet, sides[1], **QUICK)
    assert evaluate(wet, sides[1], **QUICK, select="protein").scores.n_frames == 1200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "resname XXX"}, "reference select .* finds 0 of"),
        ({"select": "no such word"}, "select 'no such word' is no MDAnalysis selection"),
        ({"discard": 1e6}, "has 400 frames and 100000 are discarded"),
    ],
)
def test_bad_options(sides, options, message):
    with pytest.raises(MDGenError, match=message):
        evaluate(*sides[:2], **(QUICK | options))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_bad_sources(data, sides, tmp_path):
    with pytest.raises(MDGenError, match=r"no reference file matches .*none\*\.xtc"):
        evaluate(str(tmp_path / "none*.xtc"), sides[1], **QUICK)
    with pytest.raises(MDGenError, match="0 generated trajectories were given"):
        evaluate(sides[0], [], **QUICK)
    junk = tmp_path / "junk.xtc"
    junk.write_bytes(b"not a trajectory")
    with pytest.raises(MDGenError, match=r"generated .*junk\.xtc.* cannot be read"):
        evaluate(sides[0], junk, data / "QGRE.pdb", **QUICK)
    slow = heavy_universe(data / "QGRE.pdb", sides[0][0].trajectory.get_array(), dt=40.0)
    with pytest.raises(MDGenError, match="trajectories of one side have 10 and 40 ps between frames"):
        evaluate([sides[0][0], slow], sides[1], **QUICK)
    timeless = heavy_universe(data / "QGRE.pdb", sides[0][0].trajectory.get_array(), dt=0.0)
    with pytest.raises(MDGenError, match="stores 0 ps between frames"):
        evaluate(timeless, sides[1], **QUICK)


@pytest.fixture(scope="module")
def files(sides, tmp_path_factory) -> Path:
    """Two folders of trajectories and a topology."""
    folder = tmp_path_factory.mktemp("evaluate")
    for name, universes in (("md", sides[0]), ("gen", sides[1])):
        (folder / name).mkdir()
        for k, universe in enumerate(universes):
            with mda.Writer(str(folder / name / f"r{k}.xtc"), 34, dt=10.0) as writer:
                for _ in universe.trajectory:
                    writer.write(universe.atoms)
    sides[0][0].atoms.write(str(folder / "pep.pdb"))
    return folder


def test_command(files, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(files)
    pages = ["--reference", "md/r0.xtc", "md/r1.xtc", "--generated", "gen/*.xtc", "--topology", "pep.pdb"]
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", *pages, "--lag", "0.02ns", "--no-3d", "--no-energies", "-o", str(tmp_path)])
    assert end.value.code == 0
    assert "ensemble" in capsys.readouterr().out
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert "<script>" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert content["settings"]["reference"].startswith("2 x 400 frames")
    assert content["settings"]["generated"].startswith("3 x 400 frames")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--lag", "soon"], "--lag 'soon' is not a time"),
        (["--lag", "-5ps"], "--lag '-5ps' must be above 0"),
        (["--reference-seconds", "3"], "only one of --reference-seconds and --generated-seconds"),
        (["--designed", "absent.txt"], "cannot read absent.txt"),
        (["--generated", "absent.xtc"], "no generated file matches absent.xtc"),
    ],
)
def test_command_ends_with_one_line(files, extra, message, capsys, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", "--reference", "md/r0.xtc", "--generated", "gen/r0.xtc", "--topology", "pep.pdb", *extra])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_several_values_after_one_option():
    args = ["--reference", "a", "b", "--lag", "1", "--generated", "c", "-o", "d"]
    expected = ["--reference", "a", "--reference", "b", "--lag", "1", "--generated", "c", "-o", "d"]
    assert repeat_lists(args) == expected


def test_a_trajectory_without_a_topology(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", "--reference", "md/r0.xtc", "--generated", "md/r1.xtc"])
    assert end.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error == "error: reference md/r0.xtc has no atom or residue names; give --topology, such as a PDB file"
