"""Structure files as others deposit and ship them: each opens as one peptide, or is refused in one line."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from MDAnalysisTests import datafiles

from openmm_mdgen.convert.structures import file_to_atoms, load_structure
from openmm_mdgen.convert.trajectories import select_atoms
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.peptide import Peptide

pytestmark = pytest.mark.filterwarnings("ignore")
ENDS = (".pdb", ".ent", ".gro", ".cif", ".mmtf", ".pqr", ".pdbqt", ".mol2", ".crd", ".tpr", ".psf", ".prmtop", ".parm7")
LARGEST = 300_000  # bytes


def shipped() -> list[Path]:
    """Structure files of MDAnalysis' tests, the small ones."""
    paths = {Path(str(getattr(datafiles, name))) for name in datafiles.__all__}
    return sorted(p for p in paths if p.is_file() and p.suffix in ENDS and p.stat().st_size < LARGEST)


def sequence_or_line(path: Path, select: str | None) -> str:
    """The peptide's sequence, or the error's line after ``error:``; anything else is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Peptide.from_structure(load_structure(select_atoms(file_to_atoms(path), select))).sequence
        except MDGenError as error:
            return f"error: {error}"


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.name)
def test_each_shipped_file_opens_or_is_refused_in_one_line(path: Path) -> None:
    for select in (None, "protein"):
        assert "\n" not in sequence_or_line(path, select)


@pytest.mark.parametrize(
    ("name", "select", "expected"),
    [
        ("2JOF.pdb", None, "DAYAQWLKDGGPSSGRPPPS"),
        ("5AWL.pdb", "protein", "YYDPETGTWY"),
        ("5AWL.pdb", None, "error: the structure has 12 waters (HOH)"),
        ("2F4K.pdb", "protein", "error: "),
    ],
)
def test_deposited_chains(shared: Path, name: str, select: str | None, expected: str) -> None:
    assert sequence_or_line(shared / "proteins" / name, select).startswith(expected)
