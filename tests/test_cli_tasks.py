"""The interpolate, inpaint, design and unconditional commands with a tiny untrained network."""

import shutil
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest

from openmm_mdgen.cli import main
from openmm_mdgen.weights.identities import save_identities
from tests.helpers.tiny import DATA, identities, moving_universe

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
MODEL = str(DATA / "tiny-inpaint.safetensors")
IDENTITIES = ("--identities", ".identities.safetensors")


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """The current folder: a.pdb and b.pdb, two conformations of QGRE, and pep.xtc, its trajectory of 8 frames."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "QGRE.pdb", "a.pdb")
    save_identities(Path(IDENTITIES[1]), identities())
    universe = moving_universe("QGRE")
    for ts in universe.trajectory:
        ts.positions -= ts.positions.mean(0)
    universe.trajectory[7]
    universe.atoms.write("b.pdb")
    with mda.Writer("pep.xtc", universe.atoms.n_atoms) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    return tmp_path


def run(*arguments: str) -> None:
    """Run the command line; success exits with 0."""
    if arguments[0] == "design":
        arguments = (*arguments, *IDENTITIES)
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--model", MODEL] if "--model" not in arguments else list(arguments))
    assert exit_.value.code in (0, None)


def names() -> set[str]:
    return {path.name for path in Path().iterdir() if not path.name.startswith(".")}


BEFORE = {"a.pdb", "b.pdb", "pep.xtc"}


def test_interpolate(capsys):
    run("interpolate", "a.pdb", "b.pdb", "--paths", "2", "--time", "100ps", "--through", "50ps=a.pdb", "-o", "p.xtc")
    assert names() - BEFORE == {"p_00.xtc", "p_01.xtc"}
    assert "2 x 11 frames, 10 ps apart: p_00.xtc ... p_01.xtc" in capsys.readouterr().out
    start, end = (mda.Universe(f).atoms.positions for f in ("a.pdb", "b.pdb"))
    for name in ("p_00.xtc", "p_01.xtc"):
        universe = mda.Universe("a.pdb", name)
        assert [ts.time for ts in universe.trajectory] == [10.0 * k for k in range(11)]
        for frame, expected in ((0, start), (5, start), (10, end)):
            np.testing.assert_allclose(universe.trajectory[frame].positions, expected, atol=0.006)  # of the format


def test_interpolate_with_an_open_end():
    run("interpolate", "a.pdb", "--through", "30ps=b.pdb", "--paths", "1", "--time", "50ps", "-o", "p.dcd")
    assert mda.Universe("a.pdb", "p.dcd").trajectory.n_frames == 6


def test_inpaint():
    for arguments in ((), ("--untold",), ("--seed", "1")):
        out = f"o{len(names())}.dcd"
        run("inpaint", "pep.xtc", "-t", "a.pdb", "--residues", "2-3", "-o", out, *arguments)
        given, found = (mda.Universe("a.pdb", name).trajectory.timeseries(order="fac") for name in ("pep.xtc", out))
        atoms = mda.Universe("a.pdb").select_atoms(
            "resid 1 4 and not (resid 1 and name O) and not (resid 4 and name H)"
        )
        assert np.array_equal(given[:, atoms.ix], found[:, atoms.ix]) and np.abs(given - found).max() > 0.3
    assert len(names() - BEFORE) == 3
    run("inpaint", "pep.xtc", "-t", "a.pdb", "--residues", "2,3", "--samples", "2", "--select", "not element H")
    assert {"inpainted_00.xtc", "inpainted_01.xtc"} <= names()


def test_design(capsys):
    run("design", "pep.xtc", "-t", "a.pdb", "--residues", "2", "--sequences", "2")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("residue 2: ") and sum("probability" in line for line in out) == 2
    sequences = [line.split()[0] for line in out if "probability" in line]
    for sequence in sequences:
        universe = mda.Universe(f"designed_{sequence}.pdb", f"designed_{sequence}.xtc")
        assert universe.trajectory.n_frames == 8 and universe.residues.n_residues == 4
    assert len(names() - BEFORE) == 4


def test_designs_are_not_written_over_an_input(capsys):
    """Not even where the input is called what the best sequence's file would be."""
    run("design", "pep.xtc", "-t", "a.pdb", "--residues", "2", "--sequences", "1", "-o", "first.xtc")
    (made,) = (name for name in names() if name.startswith("first_") and name.endswith(".xtc"))
    given = made.replace("first", "pep")
    shutil.copy("pep.xtc", given)
    content = Path(given).read_bytes()
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        words = ["design", given, "-t", "a.pdb", "--residues", "2", "--sequences", "1", "-o", "pep.xtc"]
        main([*words, "--model", MODEL, *IDENTITIES])
    error = capsys.readouterr().err.strip()
    assert exit_.value.code == 2 and error == f"error: output '{given}' is one of the inputs; choose another name"
    assert Path(given).read_bytes() == content and not Path(given).with_suffix(".pdb").exists()


def test_unconditional(capsys):
    run("unconditional", "ACE-A-NME", "--time", "100ps", "--replicas", "2")
    assert names() - BEFORE == {"ACE-A-NME.pdb", "ACE-A-NME_00.xtc", "ACE-A-NME_01.xtc"}
    universe = mda.Universe("ACE-A-NME.pdb", "ACE-A-NME_00.xtc")
    assert universe.trajectory.n_frames == 10 and universe.trajectory[0].time == pytest.approx(10)
    capsys.readouterr()
    line = fail(capsys, "unconditional", "ACE-A-NME", "--time", "100ps", "--model", MODEL)
    assert "'ACE-A-NME.pdb' exists and would be overwritten" in line


def fail(capsys, *arguments: str) -> str:
    """Run the command line; it must fail with exit status 2 and one line, which is returned."""
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    assert exit_.value.code == 2
    line, *rest = [x for x in capsys.readouterr().err.splitlines() if not x.startswith("warning: ")]
    assert line.startswith("error: ") and not rest
    return line


PATHS = "interpolate a.pdb b.pdb --time 100ps --paths 1"
INPAINT, DESIGN = (f"{task} pep.xtc -t a.pdb" for task in ("inpaint", "design"))
FREE = "unconditional ACE-A-NME --time 100ps"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("interpolate a.pdb other.pdb --paths 1 --time 100ps", "has 88 atoms, the first one 66"),
        ("interpolate a.pdb absent.pdb", "'absent.pdb' does not exist"),
        ("interpolate a.pdb broken.pdb", "'broken.pdb' cannot be read"),
        (f"{PATHS} --through 60ps=a.pdb --through 30ps=b.pdb", "key frames at 60, 30 ps are out of order"),
        (f"{PATHS} --through 30ps=a.pdb --through 30ps=b.pdb", "--through names 30 ps twice"),
        (f"{PATHS} --through 110ps=a.pdb", "a key frame at 110 ps is outside the span of 0 to 100 ps"),
        (f"{PATHS} --through 100ps=a.pdb", "two key frames are given at 100 ps"),
        (f"{PATHS} --through 35ps=a.pdb", "no multiple of the interval"),
        (f"{PATHS} --through a.pdb", "--through 'a.pdb' is no time and file; write it as 300ps=middle.pdb"),
        (f"{PATHS} --through 30=a.pdb", "'30' is not a time"),
        (f"{PATHS} --paths 0", "--paths 0 is below 1"),
        (f"{PATHS} --time 1us", "is too long for model 'tiny-inpaint'"),
        (f"{PATHS} -o a.pdb", "output 'a.pdb' is one of the inputs"),
        (f"{PATHS} -o no/p.xtc", "folder 'no' does not exist"),
        (f"{INPAINT} --residues 1-4", "all of the 4 residues of QGRE are to be generated and none given"),
        (f"{INPAINT} --residues 9", "residue 9 is not an amino acid of QGRE; its residue numbers are 1, 2, 3, 4"),
        (f"{INPAINT} --residues 3-2", "names none"),
        (f"{INPAINT} --residues two", "'two' are no residue numbers; write for example 2,3 or 2-4"),
        (f"{INPAINT} --residues 2 --select nothing", "--select 'nothing' is no MDAnalysis selection"),
        (f"{INPAINT} --residues 2 --select resid\N{NO-BREAK SPACE}9", "finds 0 of"),
        (f"{INPAINT} --residues 2 -o pep.xtc", "output 'pep.xtc' is one of the inputs"),
        ("inpaint absent.xtc -t a.pdb --residues 2", "'absent.xtc' does not exist"),
        ("inpaint broken.xtc -t a.pdb --residues 2", "'broken.xtc' with topology 'a.pdb' cannot be read"),
        ("inpaint pep.xtc -t other.pdb --residues 2", "'pep.xtc' with topology 'other.pdb' cannot be read"),
        (f"{INPAINT} --residues 2 --model tiny.safetensors", "model 'tiny' has not learned to inpaint"),
        (f"{DESIGN} --residues 1-4", "all of the 4 residues of QGRE"),
        (f"{DESIGN} --residues 2 --sequences 21", "n_sequences 21 is above the 20 sequences that there are"),
        (f"{DESIGN} --residues 2 --model tiny-upsample.safetensors", "model 'tiny-upsample' cannot design"),
        (f"{DESIGN} --residues 2 --model tiny.safetensors", "model 'tiny' has not learned to inpaint"),
        ("unconditional AXA", "has 'X', which is no residue"),
        ("unconditional ACE-AAAAAAA-NME", "has 7 residues, outside model 'tiny-inpaint'"),
        (f"{FREE} --model cut.safetensors", "cut.safetensors is damaged or no .safetensors file"),
        (f"{FREE} --model protein", "model 'protein' is unknown"),
        (f"{FREE} --device abacus", "device 'abacus' is unknown"),
        (f"{FREE} --replicas none", "--replicas none is no whole number"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(capsys, command, message):
    shutil.copy(DATA / "NDKMF.pdb", "other.pdb")
    for name in ("tiny", "tiny-upsample"):
        shutil.copy(DATA / f"{name}.safetensors", ".")
    Path("cut.safetensors").write_bytes(Path(MODEL).read_bytes()[:5000])
    Path("broken.pdb").write_text("ATOM  what\n", encoding="utf-8")
    Path("broken.xtc").write_bytes(b"no trajectory")
    before = names()
    arguments = [x.replace("\N{NO-BREAK SPACE}", " ") for x in command.split(" ")]
    line = fail(capsys, *arguments, *(() if "--model" in arguments else ("--model", MODEL)))
    assert message in line
    assert names() == before
