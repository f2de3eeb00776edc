"""The tables of docs/how_good.md: how far the bundled model is from MD."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ensemble_tables import table

MODEL, TEACHER, BEFORE, FLOOR = "peptide", "peptide:5", "peptide-0.1", "MD, half against half"
PARTS = ("backbone", "side chains")
SETS = {
    "tetrapeptides_350K": "four tetrapeptides, 350 K",
    "other_lengths_350K": "seven of 1 to 7 residues, caps, 350 K",
    "ten_residues_350K": "a decapeptide, 350 K",
    "peptides_300K": "four peptides, 300 K",
}
Figures = dict[str, Any]


def mean(rows: Sequence[dict], model: str, part: str, key: str) -> float:
    """Over the peptides that have it; NaN where none has."""
    found = [row[part][key] for row in rows if row["model"] == model and key in row.get(part, {})]
    return float(np.mean(found)) if found else float("nan")


def over_floor(rows: Sequence[dict], key: str, model: str = MODEL) -> list[float]:
    """The mean of each part over that of MD's halves."""
    return [mean(rows, model, part, key) / mean(rows, FLOOR, part, key) for part in PARTS]


def cell(value: float, digits: int = 3) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def both(values: Sequence[float], digits: int = 2) -> str:
    return " and ".join(f"{v:.{digits}f}" for v in values)


def relaxation(rows: Sequence[dict], which: str, slow: float = 0.0) -> np.ndarray:
    """Relaxation times in ps, (K, 2): MD, generated; of torsions that take longer than ``slow`` in MD."""
    pairs: list[tuple[float, float]] = []
    for row in rows:
        times = [np.array(row["of"][of]["relaxation_ps"], float) for of in ("MD", MODEL)]
        wanted = np.array([which in ("all", "backbone" if b else "side chains") for b in row["backbone"]])
        wanted &= np.isfinite(times).all(0) & (times[0] > slow)
        pairs += list(zip(*(t[wanted] for t in times), strict=True))
    return np.array(pairs, dtype=float).reshape(-1, 2)


def factor(pairs: np.ndarray) -> float:
    """Median of generated over MD."""
    return float(np.median(pairs[:, 1] / pairs[:, 0])) if len(pairs) else float("nan")


def left_handed(rows: Sequence[dict], of: str) -> float:
    """Mean share of frames with phi above 0, residues other than glycine."""
    return float(np.mean([share for row in rows for share in row["of"][of]["left"].values()]))


def slowest(rows: Sequence[dict], model: str = MODEL) -> float:
    """Slowest timescale between states over MD's, geometric mean over peptides."""
    pairs = np.array([row["slowest"] for row in rows if row["model"] == model], float)
    return float(np.exp(np.nanmean(np.log(pairs[:, 1] / pairs[:, 0]))))


def flux_rank(rows: Sequence[dict], model: str = MODEL) -> float:
    """Rank correlation of the fluxes between states with MD's, mean over peptides."""
    return float(np.nanmean(np.array([row["flux"] for row in rows if row["model"] == model], float)))


def ensemble(figures: Figures) -> str:
    """JSD of torsions by set."""
    cells = []
    for name, label in SETS.items():
        rows = figures[name]
        for part in PARTS:
            floor, ours = mean(rows, FLOOR, part, "jsd"), mean(rows, MODEL, part, "jsd")
            pooled = figures["pooled"].get(name, {}).get(part, float("nan"))
            before = mean(rows, BEFORE, part, "jsd")
            label_of = f"{label}: {part}"
            cells.append(
                [label_of, cell(floor), f"**{cell(ours)}**", f"{ours / floor:.2f}", cell(before), cell(pooled)]
            )
    return table(["mean JSD", "MD's halves", "`peptide`", "x MD's halves", f"`{BEFORE}`", "no dynamics, pooled"], cells)


def time(figures: Figures) -> str:
    """Errors of autocorrelations, and relaxation times."""
    cells = []
    for name, label in SETS.items():
        rows, kinetics = (
            figures[name],
            {"tetrapeptides_350K": "kinetics_350K", "peptides_300K": "kinetics_300K"}.get(name),
        )
        for part in PARTS:
            errors = [
                f"**{mean(rows, MODEL, part, lag):.3f}** ({mean(rows, FLOOR, part, lag):.3f})"
                for lag in ("10 ps", "100 ps")
            ]
            before = cell(mean(rows, BEFORE, part, "10 ps"))
            ratio = cell(factor(relaxation(figures[kinetics], part)), 2) if kinetics else ""
            cells.append([f"{label}: {part}", *errors, before, ratio])
    head = ["error of autocorrelation (MD's halves)", "10 ps", "100 ps", f"`{BEFORE}`, 10 ps", "relaxation, x MD"]
    return table(head, cells)


def structure(figures: Figures) -> str:
    """Faults of frames, and energies."""
    rows = [row for name in SETS for row in figures[name] if row["model"] == MODEL]
    cells = []
    for key, label in {
        "clash": "frames with overlapping heavy atoms",
        "broken_bond": "frames with a broken bond",
        "wrong_chirality": "frames with a wrong chirality",
        "bent_plane": "frames with a bent peptide plane",
    }.items():
        shares = [row["structure"][key] for row in rows]
        cells.append([label, f"{np.mean(shares):.2%}", f"{max(shares):.2%}"])
    for row in figures["energies"]:
        label = f"median energy above MD's, {row['peptide']}, kJ/mol (quiet, thermal)"
        cells.append([label, f"{row['shift']:+.0f} ({row['quiet_shift']:+.0f}, {row['thermal_shift']:+.0f})", ""])
    return table(["", f"`peptide`, {len(rows)} ensembles", "the worst"], cells)


def speed(figures: Figures) -> str:
    """Idle wall time, and core seconds."""
    labels = {BEFORE: f"`{BEFORE}`", TEACHER: "`peptide`, teacher (`--steps 5`)", MODEL: "`peptide`"}
    cost = figures["cost"]["ns_per_core_second"]
    md = cost["OpenMM, Reference"]
    walls = {row["model"]: row for row in figures["speed"]}
    cells = [["MD, OpenMM's Reference platform", "", "", f"{md:.3g}", "1"]]
    for model, label in labels.items():
        wall = walls[model]
        frames = [f"{wall[key]:,}" for key in ("replicas_frames_per_s", "simulation_frames_per_s")]
        cells.append([label, *frames, f"{cost[model]:.3g}", f"{cost[model] / md:.0f}"])
    head = ["", "frames/s, 16 replicas", "frames/s, one through `Simulation`", "ns a core second", "x MD"]
    return table([f"{figures['cost']['peptide']}, two cores, no GPU", *head[1:]], cells)


def tasks(figures: Figures) -> str:
    """Everything but simulation, each beside what it has to beat."""
    error, bonds = figures["upsampling"]["error"], figures["upsampling"]["bond_spread"]
    jsd, told = figures["correct"]["jsd"], figures["inpainting"]["backbone"]
    paths, design = figures["paths"], figures["design"]["single residues"]
    best, worst = min(p["jsd"] for p in paths), max(p["jsd"] for p in paths)
    tenths = [p["tenth_of_md_jsd"] for p in paths if p["tenth_of_md_jsd"]]
    cells = [
        [
            "upsampling, 10 ps to 0.1 ps: error of autocorrelation",
            f"**{error['peptide-upsample']:.3f}**",
            f"{error['MD anew']:.3f} (started anew)",
            f"{error['Cartesian']:.3f} (straight line)",
        ],
        [
            "upsampling: spread of bonds, Å",
            f"**{bonds['peptide-upsample']:.3f}**",
            f"{bonds['MD']:.3f}",
            f"{bonds['Cartesian']:.3f} (straight line)",
        ],
        [
            f"`correct`, {figures['correct']['peptide']}, {figures['correct']['kelvin']} K: JSD",
            f"**{jsd['corrected']:.3f}**",
            f"{jsd['plain MD of this cost']:.3f} (same cost), {jsd['plain MD of 10 x']:.3f} (10 x)",
            f"{jsd['as generated']:.3f} (uncorrected)",
        ],
        *[
            [
                f"`correct`, {name}, 300 K, 100 runs of 50 ps: JSD",
                f"**{found['corrected']:.3f}**",
                f"{found['plain MD of this cost']:.3f} (same cost), {found['plain MD of 10 x']:.3f} (10 x)",
                f"{found['as generated']:.3f} (uncorrected)",
            ]
            for name, found in figures["correct"]["tetrapeptides"].items()
        ],
        [
            f"transition paths: JSD of states (`{BEFORE}`)",
            f"**{best:.2f} to {worst:.2f}**",
            f"{min(p['md_jsd'] for p in paths):.2f} to {max(p['md_jsd'] for p in paths):.2f}",
            f"{min(tenths):.2f} to {max(tenths):.2f} (a tenth of MD)",
        ],
        [
            f"inpainting: backbone JSD (`{BEFORE}`)",
            f"**{told['generated']:.3f}**",
            f"{told['MD, the same frames']:.3f}",
            f"{told['pooled']:.3f} (no dynamics)",
        ],
        [
            "design: residue recovered",
            f"**{design['recovered']:.2f}**",
            "",
            f"{design['chance']:.2f} (chance)",
        ],
    ]
    return table(["task", "model", "MD", "to beat"], cells)


def worst(figures: Figures) -> str:
    """The peptides that are farthest from MD, as a list."""
    found = []
    for name, label in SETS.items():
        rows = figures[name]
        for row in (r for r in rows if r["model"] == MODEL):
            floors = next(r for r in rows if r["model"] == FLOOR and r["peptide"] == row["peptide"])
            found += [
                (row[p]["jsd"] / floors[p]["jsd"], row["peptide"], p, label, row[p]["jsd"]) for p in PARTS if p in row
            ]
    lines = [
        f"- {peptide}, {part}, {label.rpartition(', ')[2]}: {ratio:.1f} times as far as MD's halves (JSD {jsd:.3f})"
        for ratio, peptide, part, label, jsd in sorted(found, reverse=True)[:5]
    ]
    return "\n".join(lines)


TABLES: dict[str, Callable[[Figures], str]] = {
    "worst": worst,
    "ensemble": ensemble,
    "time": time,
    "structure": structure,
    "speed": speed,
    "tasks": tasks,
}
