"""The first table of docs/how_good.md: which question the bundled models can be trusted for, by fixed limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ensemble_tables import table
from how_good_tables import (
    BEFORE,
    FLOOR,
    MODEL,
    Figures,
    both,
    factor,
    flux_rank,
    left_handed,
    mean,
    over_floor,
    relaxation,
    slowest,
)


def verdict(value: float, yes: float, roughly: float) -> str:
    """By two limits, the larger the worse."""
    return "**yes**" if value <= yes else "roughly" if value <= roughly else "no"


def of_ensemble(question: str, rows: Sequence[dict]) -> list[str]:
    ratios = over_floor(rows, "jsd")
    figure = f"{ratios[0]:.1f} (backbone) and {ratios[1]:.1f} (side chains) x the JSD of MD's halves"
    return [question, verdict(max(ratios), 1.35, 2.0), figure]


def of_time(question: str, rows: Sequence[dict], part: str) -> list[str]:
    errors = [mean(rows, MODEL, part, lag) for lag in ("10 ps", "100 ps")]
    halves = [mean(rows, FLOOR, part, lag) for lag in ("10 ps", "100 ps")]
    figure = f"autocorrelation off by {both(errors)} at 10 and 100 ps (MD's halves: {both(halves)})"
    return [question, verdict(max(errors), 0.06, 0.15), figure]


def of_slowest(question: str, rows: Sequence[dict]) -> list[str]:
    ratio, halves = slowest(rows), slowest(rows, FLOOR)
    figure = f"{ratio:.2f} times MD's timescale (MD's halves of each other: {halves:.2f}), Markov models of ten states"
    return [question, verdict(max(ratio, 1 / ratio), 1.35, 2.5), figure]


def of_fold(question: str, rows: Sequence[dict]) -> list[str]:
    """No where less than seven tenths of the contacts stay; yes where it also moves as much as halves of MD do."""
    found = {row["metric"]: row for row in rows}
    contacts, moves = found["native contacts"], found["RMSF, Å"]
    kept = contacts["generated"] / contacts["md"]
    sound = moves["low"] <= moves["generated"] <= moves["high"]
    figure = (
        f"{contacts['generated']:.2f} of native contacts (MD {contacts['md']:.2f}), RMSF {moves['generated']:.2f} Å "
        f"(halves of MD {moves['low']:.2f} to {moves['high']:.2f})"
    )
    return [question, "no" if kept < 0.7 else "**yes**" if sound else "roughly", figure]


def trust(figures: Figures) -> str:
    """Kinds of question by rows."""
    warm = figures["tetrapeptides_350K"] + figures["other_lengths_350K"]
    exchange = figures["slow_tetrapeptides_350K"] + figures["slow_other_lengths_350K"]
    rank, halves_rank = flux_rank(exchange), flux_rank(exchange, FLOOR)
    kinetics = figures["kinetics_350K"]
    pairs, slow = relaxation(kinetics, "all"), relaxation(kinetics, "all", 100.0)
    r = float(np.corrcoef(np.log(pairs).T)[0, 1])
    shares = {name: left_handed(kinetics, name) for name in (MODEL, "MD", "MD, first half", "MD, second half")}
    energies = figures["energies"]
    shift = max(abs(row["shift"]) for row in energies)
    error, protein = figures["upsampling"]["error"], figures["upsampling"]["protein"]["error"]
    corrected, jsd = figures["correct"]["kJ/mol"], figures["correct"]["jsd"]
    small = figures["correct"]["tetrapeptides"]
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
        of_slowest("how slow is the slowest exchange of states, at 350 K", exchange),
        of_slowest("the same at 300 K", figures["slow_peptides_300K"]),
        [
            "which states exchange often, at 350 K",
            verdict(halves_rank - rank, 0.0, 0.2),
            f"rank correlation of fluxes {rank:.2f} (MD's halves {halves_rank:.2f})",
        ],
        [
            "rare states: phi > 0",
            verdict(abs(np.log(shares[MODEL] / shares["MD"])), np.log(1.35), np.log(2.5)),
            f"{shares[MODEL]:.1%} of frames, MD {shares['MD']:.1%} (its halves {shares['MD, first half']:.1%} and "
            f"{shares['MD, second half']:.1%})",
        ],
        of_fold("a fold: chignolin, by a model trained on it", figures["fold"]["rows"]),
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
            f"the same in a folded protein: {figures['upsampling']['protein']['molecule']}",
            "roughly" if protein["network"] < 0.8 * protein["Cartesian"] else "no",
            f"error {protein['network']:.3f}, MD started anew {protein['MD anew']:.3f}, a straight line "
            f"{protein['Cartesian']:.3f}",
        ],
        [
            f"populations in my own force field, by `correct`: {figures['correct']['peptide']}",
            verdict(max(abs(v) for v, _ in (corrected["beta"], corrected["alpha"])), 0.5, 2.0),
            f"off by {corrected['beta'][0]:+.2f} and {corrected['alpha'][0]:+.2f} kJ/mol; "
            f"JSD {jsd['as generated']:.2f} becomes {jsd['corrected']:.2f}; never seen states stay unseen",
        ],
        [
            "the same of tetrapeptides, 100 runs of 50 ps",
            "no" if any(t["corrected"] > t["as generated"] for t in small.values()) else "roughly",
            "; ".join(
                f"{n}: JSD {t['as generated']:.2f} becomes {t['corrected']:.2f}, populations off by "
                f"{t['error, as generated']:.1f} then {t['error']:.1f} kJ/mol"
                for n, t in small.items()
            )
            + "; what rests on the generated frames is said",
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
