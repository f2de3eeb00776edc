"""The tables of docs/how_good.md: how far the bundled model is from MD, and what that is good for."""

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


def verdict(value: float, yes: float, roughly: float) -> str:
    """By two limits, the larger the worse."""
    return "**yes**" if value <= yes else "roughly" if value <= roughly else "no"


def both(values: Sequence[float], digits: int = 2) -> str:
    return " and ".join(f"{v:.{digits}f}" for v in values)


def of_ensemble(question: str, rows: Sequence[dict]) -> list[str]:
    ratios = over_floor(rows, "jsd")
    figure = f"{ratios[0]:.1f} (backbone) and {ratios[1]:.1f} (side chains) x the JSD of MD's halves"
    return [question, verdict(max(ratios), 1.35, 2.0), figure]


def of_time(question: str, rows: Sequence[dict], part: str) -> list[str]:
    errors = [mean(rows, MODEL, part, lag) for lag in ("10 ps", "100 ps")]
    halves = [mean(rows, FLOOR, part, lag) for lag in ("10 ps", "100 ps")]
    figure = f"autocorrelation off by {both(errors)} at 10 and 100 ps (MD's halves: {both(halves)})"
    return [question, verdict(max(errors), 0.06, 0.15), figure]


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


def trust(figures: Figures) -> str:
    """Kinds of question by rows."""
    warm = figures["tetrapeptides_350K"] + figures["other_lengths_350K"]
    kinetics = figures["kinetics_350K"]
    pairs, slow = relaxation(kinetics, "all"), relaxation(kinetics, "all", 100.0)
    r = float(np.corrcoef(np.log(pairs).T)[0, 1])
    shares = {name: left_handed(kinetics, name) for name in (MODEL, "MD", "MD, first half", "MD, second half")}
    fold = {row["metric"]: row for row in figures["fold"]["rows"]}["native contacts"]
    energies = figures["energies"]
    shift = max(abs(row["shift"]) for row in energies)
    error = figures["upsampling"]["error"]
    corrected, jsd = figures["correct"]["kJ/mol"], figures["correct"]["jsd"]
    told = figures["inpainting"]["backbone"]
    valid = [row["valid"] for row in figures["paths"]]
    design = figures["design"]["single residues"]
    rows = [
        of_ensemble("which conformations, at 350 K (1 to 8 residues)", warm),
        of_ensemble("the same at 300 K", figures["peptides_300K"]),
        of_ensemble("the same of ten residues, at 350 K", figures["ten_residues_350K"]),
        of_time("how fast side chains forget, at 350 K", warm, "side chains"),
        of_time("how fast backbones forget, at 350 K", warm, "backbone"),
        of_time("the same at 300 K", figures["peptides_300K"], "backbone"),
        of_time("the same in ten residues", figures["ten_residues_350K"], "backbone"),
        [
            "which torsion is slow, which fast",
            verdict(1 - r, 0.1, 0.3),
            f"r = {r:.2f} of the logarithms of relaxation times, {len(pairs)} torsions",
        ],
        [
            "how slow are slow torsions (over 100 ps)",
            verdict(max(factor(slow), 1 / factor(slow)), 1.35, 2.5),
            f"{factor(slow):.2f} times as long as in MD (median of {len(slow)})",
        ],
        [
            "rare states: phi > 0",
            verdict(abs(np.log(shares[MODEL] / shares["MD"])), np.log(1.35), np.log(2.5)),
            f"{shares[MODEL]:.1%} of frames, MD {shares['MD']:.1%} (its halves {shares['MD, first half']:.1%} and "
            f"{shares['MD, second half']:.1%})",
        ],
        [
            "a fold: chignolin, by a model trained on it",
            verdict(fold["md"] / fold["generated"], 1.1, 1.4),
            f"{fold['generated']:.2f} of native contacts, MD {fold['md']:.2f}",
        ],
        [
            "potential energy of a frame",
            verdict(shift, 5, 30),
            f"medians {min(r['shift'] for r in energies):+.0f} to {max(r['shift'] for r in energies):+.0f} kJ/mol from "
            f"MD's, spread {both([min(r['iqr_of_md'] for r in energies), max(r['iqr_of_md'] for r in energies)], 1)} "
            "times MD's; `--relax`, `--thermalise` or `correct` where it matters",
        ],
        [
            "what happened between two frames, 10 ps to 0.1 ps",
            "**yes**, as one draw" if error["peptide-upsample"] <= 1.2 * error["MD anew"] else "roughly",
            f"error {error['peptide-upsample']:.3f}, MD started anew {error['MD anew']:.3f}, a straight line "
            f"{error['Cartesian']:.3f}",
        ],
        [
            "populations in my own force field, by `correct`",
            verdict(max(abs(v) for v, _ in (corrected["beta"], corrected["alpha"])), 0.5, 2.0)
            + ", states that exchange",
            f"{figures['correct']['peptide']}: off by {corrected['beta'][0]:+.2f} and {corrected['alpha'][0]:+.2f} "
            f"kJ/mol; JSD {jsd['as generated']:.2f} becomes {jsd['corrected']:.2f}; never seen states stay unseen",
        ],
        [
            "paths between two states",
            "as a hint",
            f"{min(valid):.0%} to {max(valid):.0%} of them are possible in MD's model (`{BEFORE}`)",
        ],
        [
            "motion of some residues, to fit the others'",
            verdict(told["generated"] / told["pooled"], 0.8, 1.0),
            f"JSD {told['generated']:.3f}, what knows no motion {told['pooled']:.3f} (`{BEFORE}`)",
        ],
        [
            "which residue fits a motion",
            "as a short list",
            f"right in {design['recovered']:.0%}, among the first five in {design['first five']:.0%} of "
            f"{design['positions']} (96 ns of MD read)",
        ],
        ["explicit solvent, ligands, non-standard residues", "no", "outside what it learned"],
    ]
    return table(["question", "trust", "figure"], rows)


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
        label = f"median energy above MD's, {row['peptide']}, kJ/mol (all quiet)"
        cells.append([label, f"{row['shift']:+.0f} ({row['quiet_shift']:+.0f})", ""])
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
        frames = [f"{wall[key]:,}" for key in ("command_frames_per_s", "simulation_frames_per_s")]
        cells.append([label, *frames, f"{cost[model]:.3g}", f"{cost[model] / md:.0f}"])
    head = ["", "frames/s, 16 replicas by command", "frames/s, one through `Simulation`", "ns a core second", "x MD"]
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
    "trust": trust,
    "worst": worst,
    "ensemble": ensemble,
    "time": time,
    "structure": structure,
    "speed": speed,
    "tasks": tasks,
}
