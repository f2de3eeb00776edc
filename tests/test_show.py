"""The page of a trajectory: what it holds, and that it fetches nothing."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import webbrowser
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from click.testing import CliRunner
from MDAnalysis.analysis.rms import rmsd

from openmm_mdgen.cli import group, show
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.show import scene as scenes
from openmm_mdgen.show.page import render, write_page
from openmm_mdgen.show.scene import scene_of
from tests.helpers.tiny import moving_universe


def data_of(page: str) -> dict:
    """What the script on a page reads."""
    return json.loads(re.search(r"const data = (\{.*\});\n", page).group(1))


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<i2")


@pytest.fixture(scope="module")
def universe() -> mda.Universe:
    return moving_universe("QGRE", 12)


def test_the_page_holds_the_frames(universe):
    scene = scene_of(universe.atoms)
    data = data_of(render(scene, "title"))
    found = unpacked(data["frames"]).reshape(scene.frames.shape) * data["scale"]
    np.testing.assert_allclose(found, scene.frames, atol=0.01)
    assert data["times"] == [10.0 * k for k in range(1, 13)]
    assert data["pdb"].count("ATOM") == universe.atoms.n_atoms
    assert len(data["bonds"]) == universe.atoms.n_atoms - 1  # QGRE has no ring


def test_frames_are_laid_on_the_first(universe):
    scene = scene_of(universe.atoms)
    heavy = np.array([e != "H" for e in scene.elements])
    raw = np.stack([universe.atoms.positions.copy() for _ in universe.trajectory])
    for shown, given in zip(scene.frames, raw, strict=True):
        least = rmsd(given[heavy], raw[0][heavy], center=True, superposition=True)
        assert rmsd(shown[heavy], scene.frames[0][heavy]) == pytest.approx(least, abs=1e-3)
    inside = np.linalg.norm(scene.frames[:, 0] - scene.frames[:, 9], axis=-1)
    np.testing.assert_allclose(inside, np.linalg.norm(raw[:, 0] - raw[:, 9], axis=-1), atol=1e-4)


def test_torsions_and_series(universe):
    scene = scene_of(universe.atoms)
    assert [r.label for r in scene.residues] == ["GLY 2", "ARG 3"]
    atoms = universe.select_atoms("resid 2 and name N CA C", "resid 3 and name N", periodic=False)
    universe.trajectory[4]
    assert scene.residues[0].psi[4] == pytest.approx(atoms.dihedral.value(), abs=0.01)
    gyration, ends = scene.series
    alphas = universe.select_atoms("name CA").positions
    assert ends.values[4] == pytest.approx(np.linalg.norm(alphas[0] - alphas[-1]), abs=1e-3)
    assert 2 < gyration.values[4] < 8


def test_nothing_is_fetched(universe, tmp_path):
    write_page(universe.atoms, tmp_path / "page.html", "a <b> & c")
    text = (tmp_path / "page.html").read_text()
    own = text.replace((Path(scenes.__file__).parents[1] / "evaluation/vendor/3Dmol-min.js").read_text(), "")
    assert not re.search(r"https?://|src=|href=|@import|url\(|fetch\(", own)
    assert "default-src 'none'" in own and "<h1>a &lt;b&gt; &amp; c</h1>" in own


def test_text_of_the_topology_cannot_end_the_script(universe):
    odd = universe.copy()
    odd.add_TopologyAttr("resnames", ["</s"] * 4)
    assert "</s" not in render(scene_of(odd.atoms), "t").split("const data")[1].split("\n")[0]


def test_long_trajectories_are_thinned(universe, monkeypatch):
    monkeypatch.setattr(scenes, "MOST_FRAMES", 5)
    scene = scene_of(universe.atoms)
    assert len(scene.frames) == 5 and scene.n_frames == 12
    assert scene.times[0] == 10.0 and scene.times[-1] == 120.0
    assert "5 of 12 frames" in render(scene, "t")


def test_one_residue_without_a_map():
    scene = scene_of(moving_universe("ACE-A-NME", 3).select_atoms("resname ALA"))
    assert scene.residues == () and len(scene.series) == 1


def test_torsions_do_not_run_from_chain_to_chain():
    one, two = moving_universe("QGRE", 1), moving_universe("QGRE", 1)
    two.atoms.translate([50, 0, 0])
    assert len(scene_of(mda.Merge(one.atoms, two.atoms).atoms).residues) == 4


def test_too_many_atoms(universe, monkeypatch):
    monkeypatch.setattr(scenes, "MOST_ATOMS", 10)
    with pytest.raises(MDGenError, match=r"66 atoms are too many for a page, the limit is 10; .*--select"):
        scene_of(universe.atoms)


def test_positions_that_are_no_numbers():
    universe = moving_universe("QGRE", 3)
    universe.trajectory[1].positions[:] = np.nan
    with pytest.raises(MDGenError, match="frame 1 has positions that are not numbers"):
        scene_of(universe.atoms)


# the command


@pytest.fixture
def files(tmp_path, universe, data) -> Path:
    """A folder with a trajectory of QGRE."""
    with mda.Writer(str(tmp_path / "QGRE_generated.xtc"), universe.atoms.n_atoms) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    (tmp_path / "QGRE.pdb").write_bytes((data / "QGRE.pdb").read_bytes())
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(group, ["show", *map(str, arguments)])


def test_the_topology_is_found_by_its_name(files):
    result = run(files / "QGRE_generated.xtc")
    page = files / "QGRE_generated.html"
    assert result.exit_code == 0 and f"page: {page}" in result.output and page.is_file()


def test_a_structure_alone(files):
    result = run(files / "QGRE.pdb", "-o", files / "out.html", "--select", "backbone")
    assert result.exit_code == 0
    assert data_of((files / "out.html").read_text())["pdb"].count("ATOM") == 16


def test_no_topology(files):
    (files / "QGRE.pdb").rename(files / "other.pdb")
    result = run(files / "QGRE_generated.xtc")
    assert re.search(
        r"holds no atoms, and .*QGRE\.pdb.* does not exist; give a topology with -t", str(result.exception)
    )
    assert run(files / "QGRE_generated.xtc", "-t", files / "other.pdb").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.xtc"], "'absent.xtc' does not exist"),
        (["QGRE.pdb", "--select", "nonsense of it"], "is no MDAnalysis selection"),
        (["QGRE.pdb", "--select", "resname XYZ"], "finds 0 of 66 atoms"),
        (["QGRE.pdb", "-o", "no/such/page.html"], "folder 'no/such' does not exist"),
        (["damaged.xtc", "-t", "QGRE.pdb"], "cannot be read (XDR read error"),
    ],
)
def test_bad_input(files, arguments, message, monkeypatch):
    monkeypatch.chdir(files)
    Path("damaged.xtc").write_bytes(b"no trajectory")
    result = run(*arguments)
    assert isinstance(result.exception, MDGenError) and message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_no_browser(files, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    result = run(files / "QGRE.pdb", "--open")
    assert result.exit_code == 0 and "no browser was found; copy" in result.output


def test_a_browser_is_given_the_file(files, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)) or True)
    run(files / "QGRE.pdb", "--open")
    assert opened == [(files / "QGRE.html").as_uri()]


def test_nothing_opens_by_itself_without_a_desktop(files, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda url: pytest.fail("a browser was opened"))
    monkeypatch.setattr(show.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(show.sys, "platform", "linux")
    assert run(files / "QGRE.pdb").exit_code == 0


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVE = """<script>
const slider = document.getElementById("frame");
slider.value = 2;
slider.dispatchEvent(new Event("input"));
document.body.dataset.seen = document.getElementById("time").textContent;
document.body.dataset.molecule = document.querySelectorAll("#molecule canvas").length;
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_slider_moves_the_page_in_a_browser(universe, tmp_path):
    """The script runs to its end, the molecule has its canvas, and the slider's frame is the one that is told."""
    page = tmp_path / "page.html"
    write_page(universe.atoms, page, title="moving")
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", DRIVE), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [str(BROWSER), *flags, profile, "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    for _ in range(3):  # a browser may fail of itself
        shown = subprocess.run(command, capture_output=True, text=True, timeout=600).stdout
        body = re.search(r"<body[^>]*>", shown)
        if body is not None and "data-ready" in body.group():
            break
    assert body is not None and 'data-ready="yes"' in body.group()
    assert f'3 / {len(universe.trajectory)}"' in body.group() and 'data-molecule="1"' in body.group()
