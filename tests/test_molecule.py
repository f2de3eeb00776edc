"""A surrogate of one molecule: what is chosen from its MD, how it is split, and the whole recipe in a tiny setting."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from MDAnalysis import Universe, Writer

import openmm_mdgen
from openmm_mdgen.cli import group
from openmm_mdgen.cli.molecule import choose_network, verdict
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.fold import FoldScores
from openmm_mdgen.train.molecule import plan_molecule, stage
from tests.helpers.tiny import moving_universe, structure


def write(folder, name: str = "QGRE", n_replicas: int = 1, n_frames: int = 100, dt: float = 10.0):
    folder.mkdir(parents=True, exist_ok=True)
    universe = moving_universe(name, n_frames)
    universe.trajectory[0]
    universe.atoms.write(str(folder / f"{name}.pdb"))
    for k in range(n_replicas):
        with Writer(str(folder / f"{name}{k}.xtc"), universe.atoms.n_atoms, dt=dt) as writer:
            for step, _ in enumerate(universe.trajectory):
                universe.trajectory.ts.time = step * dt
                writer.write(universe.atoms)
    return folder


def test_one_long_trajectory_is_split_at_its_last_part(tmp_path):
    plan = plan_molecule([write(tmp_path / "md")], temperature=300)
    assert plan.sequence == "QGRE" and plan.interval == 10 and plan.stride == 1 and plan.n_frames == 30
    assert plan.train[0][1] == slice(0, 60) and plan.validation[0][1] == slice(60, 100)
    text = "\n".join(plan.lines())
    assert "the last part of each" in text and "every single frame" in text and "300 K" in text


def test_of_five_replicas_a_whole_one_is_held_out(tmp_path):
    plan = plan_molecule([write(tmp_path / "md", n_replicas=5)], temperature=300)
    assert plan.by_replica and len(plan.train) == 4 and len(plan.validation) == 1
    assert plan.validation[0][1] == slice(0, 100)


def test_of_five_long_replicas_the_last_part_is_held_out(tmp_path):
    plan = plan_molecule([write(tmp_path / "md", n_replicas=5, n_frames=330)], temperature=300)
    assert not plan.by_replica and [part for _, part in plan.train] == [slice(0, 264)] * 5
    assert plan.n_frames == 64


def test_a_folder_that_was_cut_off_at_its_last_file_is_staged_again(tmp_path, monkeypatch):
    plan = plan_molecule([write(tmp_path / "md")], temperature=300)
    written = Path.write_text

    def cut(path, text, **options):
        written(path, text[: len(text) // 2], **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "write_text", cut)
        stage(plan, tmp_path / "out")
    assert not (tmp_path / "out" / "data" / "train" / "temperatures.csv").exists()
    rows = [(folder / "temperatures.csv").read_text().splitlines()[1:] for folder in stage(plan, tmp_path / "out")]
    assert [len(r) for r in rows] == [len(plan.train), len(plan.validation)]


def test_fine_trajectories_are_thinned(tmp_path):
    plan = plan_molecule([write(tmp_path / "md", n_frames=600, dt=2.0)], temperature=300)
    assert plan.stride == 5 and plan.interval == pytest.approx(10)
    folders = stage(plan, tmp_path / "out")
    staged = Universe(str(folders[0] / "molecule.pdb"), str(folders[0] / "r00.dcd"))
    assert staged.trajectory.n_frames == 80 and staged.trajectory.dt == pytest.approx(10, rel=1e-4)
    source = moving_universe("QGRE", 600)
    source.trajectory[5]
    staged.trajectory[1]
    np.testing.assert_allclose(staged.atoms.positions, source.atoms.positions, atol=0.02)
    assert (folders[1] / "temperatures.csv").read_text().splitlines()[1] == "r00.dcd,300"


def test_solvent_is_left_out(tmp_path):
    folder = write(tmp_path / "md")
    solute = moving_universe("QGRE", 100)
    water = Universe.empty(3, 1, atom_resindex=[0, 0, 0], trajectory=True)
    for name, values in (("names", ["OW", "HW1", "HW2"]), ("resnames", ["SOL"]), ("resids", [99])):
        water.add_TopologyAttr(name, values)
    water.add_TopologyAttr("elements", ["O", "H", "H"])
    water.atoms.positions = np.array([[40.0, 0, 0], [40.9, 0, 0], [40.0, 0.9, 0]])
    from MDAnalysis import Merge

    both = Merge(solute.atoms, water.atoms)
    for path in folder.iterdir():
        path.unlink()
    both.atoms.write(str(folder / "wet.pdb"))
    with Writer(str(folder / "wet.dcd"), both.atoms.n_atoms, dt=10.0) as writer:
        for _ in solute.trajectory:
            both.atoms[: len(solute.atoms)].positions = solute.atoms.positions
            writer.write(both.atoms)
    plan = plan_molecule([folder], temperature=300)
    assert plan.n_left_out == 3 and "3 atoms that are no peptide" in "\n".join(plan.lines())
    staged = Universe(str(stage(plan, tmp_path / "out")[0] / "molecule.pdb"))
    assert len(staged.atoms) == len(structure("QGRE").names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("short", "has 0 frames to train on, 40 are needed"),
        ("two", "one molecule is wanted"),
        ("cold", "temperature of .* is not known"),
        ("empty", "no trajectories found"),
        ("apart", "2, 10 ps between frames: one value is wanted"),
        ("chains", "chain"),
    ],
)
def test_bad_input(tmp_path, change, message):
    folder, temperature = tmp_path / "md", 300.0
    folder.mkdir()
    if change == "short":
        write(folder, n_frames=30)
    elif change == "two":
        write(folder / "a"), write(folder / "b", "NDKMF")
    elif change == "cold":
        write(folder)
        temperature = None
    elif change == "apart":
        write(folder / "a"), write(folder / "b", dt=2.0)
    elif change == "chains":
        from MDAnalysis import Merge

        one, two = moving_universe("QGRE", 50), moving_universe("NDKMF", 50)
        two.atoms.positions += 30
        both = Merge(one.atoms, two.atoms)
        both.atoms.write(str(folder / "two.pdb"))
        with Writer(str(folder / "two.dcd"), both.atoms.n_atoms) as writer:
            writer.write(both.atoms)
    with pytest.raises(MDGenError, match=message):
        plan_molecule([folder], temperature=temperature)


def test_trajectories_without_times(tmp_path):
    folder = write(tmp_path / "md")
    universe = moving_universe("QGRE", 100)
    (folder / "QGRE0.xtc").unlink()
    lines = ["title"] + [f"{x:8.3f}" for _ in universe.trajectory for x in universe.atoms.positions.ravel()]
    per_frame = universe.atoms.n_atoms * 3
    text, values = ["title"], lines[1:]
    for start in range(0, len(values), per_frame):
        frame = values[start : start + per_frame]
        text += ["".join(frame[k : k + 10]) for k in range(0, per_frame, 10)]
    (folder / "QGRE.mdcrd").write_text("\n".join(text) + "\n")
    with pytest.raises(MDGenError, match="give it with --dt"):
        plan_molecule([folder], temperature=300)
    assert plan_molecule([folder], temperature=300, dt=10.0).interval == 10


def test_verdict_says_what_is_wrong():
    md = FoldScores(0.9, 0.8, 1.0, 0.95, 0.9)
    assert verdict(md, md).split(":")[0].endswith("usable")
    assert "not yet like the MD" in verdict(FoldScores(0.5, 3.0, 4.0, 0.1, 0.0), md)
    flat = FoldScores(0.9, 0.8, 1.0, float("nan"), float("nan"))
    assert "native contacts" not in verdict(flat, flat)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("peptide", "torsions, from peptide"),
        ("places", "torsions and places, from peptide"),
        ("mdgen", "rigids and torsions"),
    ],
)
def test_the_whole_recipe(tmp_path, network, said):
    folder = write(tmp_path / "md", n_frames=200)
    command = ["train", str(folder), "--molecule", "--temperature", "300", "--steps", "2", "--every", "2"]
    command += ["--network", network, "--accelerator", "cpu", "--devices", "1", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(group, command)
    assert result.exit_code == 0, result.output
    assert said in result.output and "verdict" in result.output and "held out" in result.output
    assert (tmp_path / "run" / "model.safetensors").exists()
    assert list((tmp_path / "run" / "report").glob("*.html"))
    assert len(list((tmp_path / "run" / "generated").glob("*.dcd"))) == 1


@pytest.mark.filterwarnings("ignore")
def test_held_out_md_that_is_too_little_for_a_page_is_told_and_the_model_is_judged(tmp_path, monkeypatch):
    def evaluate(*args, **kwargs):
        raise MDGenError("the reference never returns to a state at a lag of 100 ps; give a longer one")

    monkeypatch.setattr(openmm_mdgen, "evaluate", evaluate)
    folder = write(tmp_path / "md", n_frames=200)
    command = ["train", str(folder), "--molecule", "--temperature", "300", "--steps", "2", "--every", "2"]
    command += ["--accelerator", "cpu", "--devices", "1", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(group, command, catch_exceptions=False)
    assert "report       none: the reference never returns to a state at a lag of 100 ps" in result.output
    assert "\nverdict      " in result.output
    assert (tmp_path / "run" / "model.safetensors").exists()
    assert not (tmp_path / "run" / "report").exists()


def test_longer_chains_learn_places(tmp_path):
    plan = plan_molecule([write(tmp_path / "md")], temperature=300)
    assert choose_network(plan, None) == "peptide"
    longer = replace(plan, sequence="YYDPETGTWY")
    assert choose_network(longer, None) == choose_network(longer, "peptide") == "places"
    assert choose_network(replace(longer, is_capped=True), None) == "places"
