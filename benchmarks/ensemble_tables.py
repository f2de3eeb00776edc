"""The figures of `ensemble.py` as markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

GOAL = 0.8  # of the no-dynamics baseline


def table(head: list[str], rows: list[list[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def _mean_row(rows: list[list[str]]) -> list[str]:
    """The mean of every column that holds figures."""

    def mean(cells: tuple[str, ...]) -> str:
        values = [float(c.split(" ")[0]) for c in cells if c.split(" ")[0].replace(".", "").isdigit()]
        digits = len(cells[0].split(" ")[0].partition(".")[2]) if values else 0
        return f"{np.mean(values):.{digits}f}" if values and len(values) == len([c for c in cells if c != "-"]) else ""

    return ["**mean**", *(mean(c) for c in list(zip(*rows, strict=True))[1:])]


def _length(ns: float) -> str:
    return "more than MD has" if np.isinf(ns) else "under 0.1" if ns == 0 else number(ns, 2)


def torsion_table(rows: list[dict[str, Any]], kind: str) -> str:
    """Distances of the backbone's or the side chains' torsions."""
    head = ["peptide", f"{kind.replace('_', ' ')} JSD", "floor", "pooled", "x pooled", "x floor", "same as MD of, ns"]
    lines = []
    for row in rows:
        e = row["ensemble"][kind]
        if np.isnan(e["value"]):
            continue
        ratio = e["ratio"]
        lines.append(
            [
                row["peptide"],
                f"{number(e['value'])} [{number(e['low'])}, {number(e['high'])}]",
                number(e["floor"]),
                number(e["pooled"]),
                f"{number(ratio['value'], 2)} [{number(ratio['low'], 2)}, {number(ratio['high'], 2)}]",
                number(e["value"] / e["floor"], 2),
                _length(e["md_ns"]),
            ]
        )
    return table(head, [*lines, _mean_row(lines)]) if lines else ""


def slow_table(rows: list[dict[str, Any]]) -> str:
    """Joint (phi, psi) and slow components."""
    head = ["peptide", "joint (phi, psi)", "floor", "pooled", "TICA-0", "floor", "TICA-0,1", "floor"]
    lines = []
    for row in rows:
        e = row["ensemble"]
        cells = [row["peptide"]]
        for kind in ("joint", "tica_0", "tica_01"):
            cells += [number(e[kind]["value"]), number(e[kind]["floor"])]
            cells += [number(e[kind]["pooled"])] if kind == "joint" else []
        lines.append(cells)
    return table(head, [*lines, _mean_row(lines)])


def time_table(rows: list[dict[str, Any]]) -> str:
    """Mean absolute differences of normalised autocorrelation, and rank correlation of relaxation times."""
    kinds = ["backbone_10", "backbone_100", "side_chains_10", "side_chains_100"]
    head = ["peptide", *(f"{k.replace('_', ' ')} ps" for k in kinds), "relaxation times, r of log"]
    lines = []
    for row in rows:
        cells = [row["peptide"]]
        for k in kinds:
            t = row["time"].get(k)
            cells.append(
                "-" if t is None else f"{number(t['generated'])} ({number(t['shuffled'])}; {number(t['floor'])})"
            )
        lines.append([*cells, number(relaxation_correlation(row), 2)])
    return table(head, [*lines, _mean_row(lines)])


def relaxation_correlation(row: dict[str, Any]) -> float:
    """Pearson r of the logarithms of relaxation times, torsions that relax in both only."""
    a, b = (np.array(row["time"][f"relaxation_{n}"], float) for n in ("md", "generated"))
    both = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    return float(np.corrcoef(np.log(a[both]), np.log(b[both]))[0, 1]) if both.sum() > 2 else float("nan")


def structure_table(rows: list[dict[str, Any]]) -> str:
    """Per cent of frames with errors, generated (MD), and peptide bonds."""
    kinds = ["clash", "broken_bond", "wrong_chirality", "bent_plane"]
    head = ["peptide", *(f"{k.replace('_', ' ')} %" for k in kinds), "C-N Å", "CA-C-N °", "C-N-CA °"]
    lines = []
    for row in rows:
        g, m = row["structure"]["generated"], row["structure"]["md"]
        cells = [f"{number(100 * g[k], 2)} ({number(100 * m[k], 2)})" for k in kinds]
        for k, d in (("cn", 3), ("ca_c_n", 1), ("c_n_ca", 1)):
            pair = [f"{number(x[f'{k}_mean'], d)} ± {number(x[f'{k}_sd'], d)}" for x in (g, m)]
            cells.append(f"{pair[0]} ({pair[1]})")
        lines.append([row["peptide"], *cells])
    return table(head, lines)


def drift_table(rows: list[dict[str, Any]]) -> str:
    """First tenth and last tenth of the generated trajectories."""
    kinds = [("backbone", 1, 3), ("side_chains", 1, 3), ("clash", 100, 2), ("broken_bond", 100, 2)]
    head = ["peptide", *(f"{k.replace('_', ' ')}{' %' if f == 100 else ' JSD'}" for k, f, _ in kinds)]
    lines = []
    for row in rows:
        cells = [row["peptide"]]
        for kind, factor, digits in kinds:
            ends = [row["drift"][end][kind] for end in ("first", "last")]
            cells.append(" → ".join(number(None if e is None else factor * e, digits) for e in ends))
        lines.append(cells)
    return table(head, lines)


def summary(rows: list[dict[str, Any]]) -> str:
    """Share of peptides at most 0.8 times the baseline, by value and by the whole interval."""
    lines = []
    for kind in ("backbone", "side_chains"):
        ratios = [r["ensemble"][kind]["ratio"] for r in rows if "ratio" in r["ensemble"][kind]]
        if ratios:
            ok, sure = (sum(r[k] <= GOAL for r in ratios) for k in ("value", "high"))
            lines.append(
                f"- {kind.replace('_', ' ')}: {ok} of {len(ratios)} peptides at most {GOAL} x pooled "
                f"({sure} with the whole interval)"
            )
    return "\n".join(lines)


def markdown(rows: list[dict[str, Any]]) -> str:
    """All tables."""
    parts = [
        torsion_table(rows, "backbone"),
        torsion_table(rows, "side_chains"),
        summary(rows),
        slow_table(rows),
        "Autocorrelation: |generated - MD| (a copy shuffled in time; MD half against half)",
        time_table(rows),
        "Structure: generated (MD)",
        structure_table(rows),
        "Drift: first tenth → last tenth",
        drift_table(rows),
    ]
    return "\n\n".join(p for p in parts if p)
