"""The report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.distances import Estimate
from openmm_mdgen.evaluation.energies import ENERGY_NAMES
from openmm_mdgen.evaluation.extras import require
from openmm_mdgen.evaluation.results import Results
from openmm_mdgen.evaluation.verdicts import RULES
from openmm_mdgen.files.replacing import replacing

_HERE = files("openmm_mdgen.evaluation")
_NAMES = {
    "backbone": "backbone torsions",
    "side_chains": "side-chain torsions",
    "all_torsions": "all torsions",
    "joint": "joint (φ, ψ)",
    "tica_0": "TICA-0",
    "tica_01": "TICA-0,1",
}


def write_report(result: Results, folder: Path) -> Path:
    """Write ``report.html``, ``evaluation.json`` and ``evaluation.csv`` into `folder`, which is made where absent.

    Raises
    ------
    MDGenError
        When the folder cannot be written, or jinja2 is missing.
    """
    writers: dict[str, Callable[[], str]] = {
        "evaluation.json": result.to_json,
        "evaluation.csv": result.to_csv,
        "report.html": lambda: render(result),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MDGenError(f"cannot write to {folder} ({error.strerror}); choose another output folder") from error
    for name, make in writers.items():
        with replacing(folder / name, durable=False) as unfinished:
            unfinished.write_text(make(), encoding="utf-8")
    return folder / "report.html"


def render(result: Results) -> str:
    """The report as text."""
    jinja2 = require("jinja2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((_HERE / "report.html").read_text(encoding="utf-8"))
    script = (_HERE / "vendor" / "3Dmol-min.js").read_text(encoding="utf-8") if result.view else ""
    out: str = template.render(
        result=result,
        title=_title(result.settings["sequence"]),
        columns=["generated", *result.controls],
        rows=score_rows(result),
        facts=facts(result),
        pictures=_pictures(result),
        rules=RULES,
        viewer=script,
    )
    return out


def _title(sequence: str) -> str:
    """The sequence, or the ends of a long one."""
    names = sequence.split("-")
    return sequence if len(names) <= 16 else f"{'-'.join(names[:4])}-…-{'-'.join(names[-2:])} ({len(names)} residues)"


def score_rows(result: Results) -> list[tuple[str, list[str]]]:
    """Name and cells (generated, then every control) of each score."""
    sides = [result.scores, *result.controls.values()]
    rows: list[tuple[str, list[Any]]] = [
        (f"JSD {name}", [s.ensemble.figures()[key] for s in sides]) for key, name in _NAMES.items()
    ]
    rows.append(("JSD state populations", [s.states for s in sides]))
    rows.append(("flux, Spearman ρ", [s.flux for s in sides]))
    rows += [
        (f"autocorrelation, {name}, |difference|", [s.autocorrelation[name] for s in sides])
        for name in result.scores.autocorrelation
    ]
    rows.append(("relaxation times, r of logarithms", [s.relaxation_r for s in sides]))
    return [(name, [_cell(c) for c in cells]) for name, cells in rows if not all(_missing(c) for c in cells)]


def _missing(cell: Estimate | float) -> bool:
    return bool(np.isnan(cell.value if isinstance(cell, Estimate) else cell))


def _cell(cell: Estimate | float) -> str:
    return "–" if _missing(cell) else str(cell) if isinstance(cell, Estimate) else f"{cell:.3f}"


def facts(result: Results) -> dict[str, list[tuple[str, str, str]]]:
    """Rows (name, reference, generated) by section."""
    r, g = result.structure.reference, result.structure.generated
    shares = (
        ("frames with a clash", r.clash, g.clash),
        ("frames with a broken bond", r.broken_bond, g.broken_bond),
        ("frames with a D-residue", r.wrong_chirality, g.wrong_chirality),
        ("frames with a bent peptide plane", r.bent_plane, g.bent_plane),
    )
    moments = (
        ("C-N length, Å", r.cn_length, g.cn_length),
        ("CA-C-N angle, °", r.ca_c_n, g.ca_c_n),
        ("C-N-CA angle, °", r.c_n_ca, g.c_n_ca),
        ("radius of gyration, Å", r.radius_of_gyration, g.radius_of_gyration),
    )
    structure = [(name, f"{md:.2%}", f"{made:.2%}") for name, md, made in shares]
    if np.isfinite([r.smallest_distance, g.smallest_distance]).all():
        structure.append(("smallest distance ever, Å", f"{r.smallest_distance:.2f}", f"{g.smallest_distance:.2f}"))
    structure += [(name, _spread(md), _spread(made)) for name, md, made in moments if np.isfinite(md[0])]
    return {
        "structure": structure + _energy_facts(result),
        "dynamics": _time_facts(result),
        "chain": _chain_facts(result),
    }


def _spread(moments: tuple[float, float]) -> str:
    return f"{moments[0]:.3f} ± {moments[1]:.3f}"


def _energy_facts(result: Results) -> list[tuple[str, str, str]]:
    if result.energies is None:
        return []
    e, rows = result.energies, []
    reference, generated = e.reference.terms(), e.generated.terms()
    for term, name in ENERGY_NAMES.items():
        a, b = reference[term], generated[term]
        rows.append((f"{name}, median, kJ/mol", f"{np.median(a):.1f}", f"{np.median(b):.1f}"))
        rows.append((f"{name}, inside 1st to 99th percentile", "98%", f"{e.overlap[term].inside:.0%}"))
    return rows


def _time_facts(result: Results) -> list[tuple[str, str, str]]:
    t = result.decorrelation_time
    rows = [("relaxation of TICA-0, ps", f"{t.reference:.0f}", f"{t.generated:.0f}")]
    if np.isfinite(t.speed_up):
        seconds = (f"{t.reference_seconds:.3g}", f"{t.generated_seconds:.3g}")
        rows += [("wall seconds per relaxation", *seconds), ("speed-up", "1", f"{t.speed_up:.0f}")]
    return rows


def _chain_facts(result: Results) -> list[tuple[str, str, str]]:
    c = result.chain
    if c is None:
        return []
    return [
        ("mean RMSF, Å", f"{c.rmsf_reference.mean():.2f}", f"{c.rmsf_generated.mean():.2f}"),
        ("mean pairwise RMSD, Å", f"{c.pairwise_rmsd_reference:.2f}", f"{c.pairwise_rmsd_generated:.2f}"),
        ("W2 to reference (reference: half to half), Å", f"{c.w2_halves:.2f}", f"{c.w2_reference_pca:.2f}"),
        ("W2 to reference, joint components, Å", "–", f"{c.w2_joint_pca:.2f}"),
    ]


def _pictures(result: Results) -> dict[str, dict[str, object]]:
    """Figures by name, as data addresses; those that do not apply are left out."""
    from openmm_mdgen.evaluation import figures

    makers: dict[str, Callable[[Results], figures.Picture | None]] = {
        "torsions": figures.torsion_figure,
        "surface": figures.surface_figure,
        "decorrelation": figures.decorrelation_figure,
        "content": figures.content_figure,
        "flux": figures.flux_figure,
        "structure": figures.structure_figure,
        "rmsf": figures.rmsf_figure,
    }
    made = {name: make(result) for name, make in makers.items()}
    return {
        name: {
            "source": f"data:image/png;base64,{base64.b64encode(p.png).decode()}",
            "caption": p.caption,
            "width": p.width,
        }
        for name, p in made.items()
        if p is not None
    }
