"""The GPU benchmark: every section runs, here on the CPU, and needs neither OpenMM nor MDAnalysis."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import gpu

BLOCKED = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "MDAnalysis" else find(name, *rest)
sys.modules.update(dict.fromkeys(("MDAnalysis", "openmm", "pdbfixer", "matplotlib", "click", "tqdm")))
import gpu
assert "openmm_mdgen.weights.checkpoint" in sys.modules
"""


def test_every_section_gives_figures(tmp_path, capsys):
    rows = gpu.main(["--device", "cpu", "--json", str(tmp_path / "gpu.json")])
    assert not [row for row in rows if row["what"] in ("failed", "left out")]
    parity = next(row for row in rows if row["what"] == "a window, float32")
    assert parity["largest"] == 0.0  # the same device
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["rows"] == rows and "frames_per_s" in capsys.readouterr().out


def test_a_section_that_fails_is_a_row_and_stops_nothing(capsys):
    bench = gpu.Bench(gpu.torch.device("cpu"), tiny=True, budget=1e9)

    def fail():
        raise RuntimeError("no kernel\nmore")

    bench.section("one", fail)
    bench.section("two", lambda: bench.add("two", "fine", ms=1.0))
    assert [row["what"] for row in bench.rows] == ["failed", "fine"] and "no kernel" in capsys.readouterr().out


def test_when_time_is_up_sections_are_left_out():
    bench = gpu.Bench(gpu.torch.device("cpu"), tiny=True, budget=-1.0)
    bench.section("late", lambda: bench.add("late", "ran"))
    assert bench.rows[0]["what"] == "left out"


def test_it_needs_neither_openmm_nor_mdanalysis():
    folder = Path(gpu.__file__).parent
    run = subprocess.run([sys.executable, "-c", BLOCKED], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
