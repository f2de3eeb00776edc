"""The benchmarks that print results: their figures on MD itself, their tables, their writing into pages."""

from pathlib import Path

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "benchmarks"))


def test_md_scored_as_if_generated(shared, tmp_path):
    """MD's first four replicas score about what half as much sampling should, with sound structures."""
    import ensemble
    import ensemble_tables
    import pooled

    data = shared / "data" / "peptides" / "test" / "ACE-V-NME"
    folder = tmp_path / data.name
    folder.mkdir()
    for name in ("heavy.pdb", "r00.xtc", "r01.xtc", "r02.xtc", "r03.xtc"):
        (folder / name).symlink_to(data / name)
    baseline = pooled.pooled_histograms([data], tmp_path / "cache.npz")
    row = ensemble.score_pair(ensemble.load_pair(data, folder, 0), baseline)
    backbone = row["ensemble"]["backbone"]
    assert backbone["floor"] == pytest.approx(0.064, abs=0.005)
    assert backbone["floor"] < backbone["value"] < 2 * backbone["floor"]
    assert 10 < backbone["md_ns"] < 40  # 24 ns by number of frames
    assert backbone["ratio"]["value"] == pytest.approx(backbone["value"] / backbone["pooled"], rel=1e-6)
    assert row["time"]["backbone_10"]["generated"] < row["time"]["backbone_10"]["shuffled"] / 3
    assert row["structure"]["generated"]["broken_bond"] == 0
    text = ensemble_tables.markdown([row, row])
    assert "of 2 peptides at most 0.8 x pooled" in text
    assert f"{backbone['value']:.3f} [" in text
    again = pooled.pooled_histograms([], tmp_path / "cache.npz")
    assert set(again) == set(baseline)


def test_discard_and_missing_files(shared, tmp_path):
    import ensemble

    data = shared / "data" / "peptides" / "test" / "GM"
    with pytest.raises(MDGenError, match=r"has no top\.pdb or heavy\.pdb, or no \.xtc"):
        ensemble.load_pair(data, tmp_path, 0)
    for name in ("heavy.pdb", "r00.xtc"):
        (tmp_path / name).symlink_to(data / name)
    assert len(ensemble.load_pair(data, tmp_path, 100).generated[0]) == 500


def test_table_is_written_between_its_markers(tmp_path):
    import table

    page = tmp_path / "results.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    table.write_between(page, "new")
    table.write_between(page, "newer")
    assert page.read_text() == "before\n<!-- table -->\nnewer\n<!-- /table -->\nafter\n"
    fresh = tmp_path / "card.md"
    table.write_between(fresh, "text")
    assert fresh.read_text() == "<!-- table -->\ntext\n<!-- /table -->\n"


def test_published_rows_keep_what_is_missing_empty(tmp_path):
    import table

    path = tmp_path / "published.csv"
    path.write_text(
        "system,setting,metric,value,source\n"
        'A,tetrapeptides x,"JSD TICA-0,1",0.3,s\nA,tetrapeptides x,runtime s (GPU),60,s\nB,ATLAS,JSD TICA-0,9,s\n'
    )
    (row,) = table.published_rows(path)
    assert row == ["published: A, tetrapeptides x", "", "", "", "", "0.3", "", "", "60 (GPU)"]


def test_mean_over_peptides_leaves_out_what_a_peptide_lacks():
    import table

    def row(value):
        return [table.Row("m", dict.fromkeys(table.METRICS, value), 2.0)]

    (mean,) = table.mean_rows([row(1.0), row(3.0), row(float("nan"))])
    assert mean.figures["JSD TICA-0"] == 2.0
    assert np.isfinite(mean.seconds)
