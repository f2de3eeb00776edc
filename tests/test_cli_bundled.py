"""The simulate command with the model that comes with the package."""

import MDAnalysis
import numpy as np
import pytest

from openmm_mdgen.cli import main
from openmm_mdgen.weights.header import bundled_path

pytestmark = [
    pytest.mark.skipif(not bundled_path("peptide").exists(), reason="the bundled weights are absent"),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]


def test_a_built_peptide_keeps_its_bonds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["simulate", "--sequence", "ACE-A-NME", "--time", "300ps", "--replicas", "2", "-o", "out.xtc"])
    assert exit_.value.code in (0, None)
    universe = MDAnalysis.Universe("out.pdb", guess_bonds=True)
    expected = universe.bonds.values()
    for number in ("00", "01"):
        universe.load_new(f"out_{number}.xtc")
        assert universe.trajectory.n_frames == 30
        lengths = np.array([universe.bonds.values() for _ in universe.trajectory])
        assert np.abs(lengths - expected).max() < 0.2


def test_a_length_outside_the_range_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["simulate", "--sequence", "A" * 30, "-o", "out.xtc"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("error: ") and not list(tmp_path.iterdir())
