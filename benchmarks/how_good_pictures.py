"""The pictures of docs/how_good.md. Each holds a digest of the figures that it was drawn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from how_good_tables import BEFORE, FLOOR, MODEL, PARTS, SETS, TEACHER, Figures
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLUE, ORANGE, GREY, GREEN = "#0072B2", "#D55E00", "#8a8a8a", "#009E73"
STYLE = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "openmm-mdgen",
    "legend.frameon": False,
}
USES = {
    "jsd": tuple(SETS),
    "autocorrelation": ("kinetics_350K", "kinetics_300K"),
    "temperature": ("temperature",),
    "speed": ("cost",),
}
"""The figures that each picture is drawn from."""


def digest(name: str, figures: Figures) -> str:
    """What tells whether a picture is of these figures."""
    text = json.dumps({key: figures[key] for key in USES[name]}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Figure, np.ndarray]:
    """A white figure and its axes (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasSVG(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    return figure, axes


def jsd(figures: Figures) -> Figure:
    """How far every test peptide is from MD, beside how far MD's halves are from each other."""
    labels: list[str] = []
    values: dict[str, list[tuple[float, float]]] = {part: [] for part in PARTS}
    breaks = []
    for name, title in SETS.items():
        breaks.append((len(labels), title))
        rows = figures[name]
        for row in (r for r in rows if r["model"] == MODEL):
            floor = next(r for r in rows if r["model"] == FLOOR and r["peptide"] == row["peptide"])
            labels.append(row["peptide"])
            for part in PARTS:
                empty = {"jsd": float("nan")}
                values[part].append((row.get(part, empty)["jsd"], floor.get(part, empty)["jsd"]))
    places = np.arange(len(labels)) + np.searchsorted([b for b, _ in breaks[1:]], np.arange(len(labels)), side="right")
    figure, axes = canvas(9, 6.2, 1, 2, sharey=True, sharex=True)
    for axis, part, color in zip(axes[0], PARTS, (BLUE, ORANGE), strict=True):
        made, floor = np.array(values[part]).T
        axis.barh(places, floor, color="#d9d9d9", height=0.75, label="MD's halves from each other")
        axis.plot(made, places, "o", color=color, ms=7, label="generated, from MD")
        axis.set(title=part, xlim=(0, None))
    figure.supxlabel("Jensen-Shannon distance of torsions (0: the same)", fontsize=11)
    dot, bar, other = [handle for axis in axes[0] for handle in axis.get_legend_handles_labels()[0]][:3]
    words = ["MD's halves, from each other", "generated, from MD: backbone", "generated, from MD: side chains"]
    figure.legend([bar, dot, other], words, loc="outside upper center", ncols=3, fontsize=10)
    for start, title in breaks:
        axes[0, 0].text(0.002, places[start] - 0.62, title, fontsize=9, color="0.25", va="center")
    axes[0, 0].set_yticks(places, labels)
    axes[0, 0].invert_yaxis()
    return figure


def autocorrelation(figures: Figures) -> Figure:
    """Mean curves of MD, its halves, and the model."""
    figure, axes = canvas(9, 5.4, 2, 2, sharex=True, sharey=True)
    for line, (name, title) in zip(axes, (("kinetics_350K", "350 K"), ("kinetics_300K", "300 K")), strict=True):
        rows = figures[name]
        for axis, part in zip(line, PARTS, strict=True):
            curve = {of: np.mean([row["of"][of]["curves"][part] for row in rows], 0) for of in rows[0]["of"]}
            lags = np.array(rows[0]["lags_ps"][: len(curve["MD"])])
            halves = np.array([curve["MD, first half"], curve["MD, second half"]])
            axis.fill_between(lags, halves.min(0), halves.max(0), color="0.8", label="MD, its two halves")
            axis.plot(lags, curve["MD"], color="0.2", lw=2, label="MD")
            axis.plot(lags, curve[MODEL], "o-", color=BLUE, ms=4, lw=1.5, label="generated")
            axis.set(xscale="log", title=f"{part}, {title}")
    for axis in axes[1]:
        axis.set_xlabel("time apart (ps)")
    for axis in axes[:, 0]:
        axis.set_ylabel("what is remembered")
    axes[0, 0].set_ylim(-0.02, None)
    axes[0, 0].legend(fontsize=9)
    return figure


def temperature(figures: Figures) -> Figure:
    """Relaxation of side chains, and everything else over MD's, against temperature."""
    rows = figures["temperature"]
    peptides = list(dict.fromkeys(row["peptide"] for row in rows))
    figure, axes = canvas(9, 3.6, 1, 2)
    left, right = axes[0]
    for peptide, color in zip(peptides, (BLUE, ORANGE, GREEN), strict=False):
        mine = [row for row in rows if row["peptide"] == peptide]
        kelvin = [row["K"] for row in mine]
        left.semilogy(kelvin, [row["md"]["relaxation"] for row in mine], "o", color=color, mfc="none")
        left.semilogy(kelvin, [row["made"]["relaxation"] for row in mine], color=color, label=peptide)
    left.set(xlabel="temperature (K)", ylabel="relaxation time (ps)", title="side chains: lines generated, circles MD")
    left.set_yticks([20, 50, 100, 200], ["20", "50", "100", "200"])
    left.minorticks_off()
    left.legend(fontsize=9)
    names = {"angle": "spread of angles", "bond": "spread of bonds", "gyration": "radius of gyration"}
    kelvins = sorted({row["K"] for row in rows})
    for (key, label), color in zip(names.items(), (BLUE, ORANGE, GREEN), strict=True):
        ratios = [np.mean([r["made"][key] / r["md"][key] for r in rows if r["K"] == k]) for k in kelvins]
        right.plot(kelvins, ratios, "o-", ms=4, color=color, label=label)
    right.axhline(1, color="0.2", lw=1)
    right.set(xlabel="temperature (K)", ylabel="generated / MD", title="mean of both peptides", ylim=(0.8, 1.2))
    right.legend(fontsize=9, ncols=2)
    return figure


def speed(figures: Figures) -> Figure:
    """Nanoseconds a core second, MD and models."""
    cost = figures["cost"]["ns_per_core_second"]
    labels = {
        "OpenMM, Reference": "MD (OpenMM)",
        BEFORE: "peptide-0.1",
        TEACHER: "peptide, teacher",
        MODEL: "peptide",
    }
    values = [cost[key] for key in labels]
    figure, axes = canvas(9, 2.6)
    axis: Axes = axes[0, 0]
    axis.barh(list(labels.values()), values, color=[GREY, "#9ecae1", "#4292c6", BLUE], height=0.7)
    for place, value in enumerate(values):
        times = "" if place == 0 else f"   {value / values[0]:,.0f} x MD"
        axis.text(value * 1.08, place, f"{value:.2g} ns{times}", va="center", fontsize=10)
    axis.set(xscale="log", xlim=(min(values) / 3, max(values) * 12), xlabel="nanoseconds a core second")
    axis.set_title(f"{figures['cost']['peptide']}, one core, no GPU", fontsize=11)
    axis.invert_yaxis()
    return figure


PICTURES: dict[str, Callable[[Figures], Figure]] = {
    "jsd": jsd,
    "autocorrelation": autocorrelation,
    "temperature": temperature,
    "speed": speed,
}


def draw(name: str, figures: Figures, path: Path) -> None:
    """Draw a picture, with its digest inside."""
    with matplotlib.rc_context(STYLE):
        about: dict[str, Any] = {"Description": f"figures {digest(name, figures)}", "Date": None, "Creator": None}
        PICTURES[name](figures).savefig(path, format="svg", metadata=about)


def drawn_from(path: Path) -> str:
    """The digest of the figures that a picture was drawn from; empty where it has none."""
    _, _, rest = path.read_text(encoding="utf-8").partition("figures ")
    return rest[:64]


__all__: Sequence[str] = ("PICTURES", "digest", "draw", "drawn_from")
