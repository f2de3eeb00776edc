"""Figures of an evaluation, as PNG. Blue is the reference, orange (and dashes) what was generated."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from openmm_mdgen.evaluation.energies import ENERGY_NAMES
from openmm_mdgen.evaluation.results import Histogram, Results

REFERENCE, GENERATED, CONTROL = "#0072B2", "#D55E00", "#8A8A8A"
MAX_TORSIONS = 48
_COLUMNS = 6
_SURFACE_LIMIT = 6.0


@dataclass(frozen=True)
class Picture:
    """A figure: PNG bytes, what it shows (for those who cannot see it), and its width in CSS pixels."""

    png: bytes
    caption: str
    width: int


def _picture(figure: Figure, caption: str) -> Picture:
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=144)
    return Picture(stream.getvalue(), caption, round(figure.get_figwidth() * 96))


def _grid(n: int, columns: int, width: float, height: float, shared: bool = False) -> tuple[Figure, list[Axes]]:
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure((width * columns, height * rows + 0.35), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8.5)
    for ax in axes[n:]:
        ax.set_visible(False)
    return figure, list(axes[:n])


def _legend(figure: Figure, ax: Axes, columns: int = 3) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=columns, frameon=False, fontsize=9.5)


def torsion_figure(result: Results) -> Picture:
    """Histograms of every torsion; the 48 that differ most where there are more."""
    torsions, distances = result.torsions, result.scores.ensemble.torsions
    order = list(range(len(torsions.labels)))
    if len(order) > MAX_TORSIONS:
        order = sorted(order, key=lambda k: -distances[torsions.labels[k]])[:MAX_TORSIONS]
    figure, axes = _grid(len(order), _COLUMNS, 1.75, 1.3)
    middle = np.rad2deg((torsions.edges[1:] + torsions.edges[:-1]) / 2)
    for ax, k in zip(axes, order, strict=True):
        label = torsions.labels[k]
        ax.fill_between(middle, torsions.reference[k], color=REFERENCE, alpha=0.35, lw=0, step="mid", label="reference")
        ax.step(middle, torsions.generated[k], color=GENERATED, lw=1.1, where="mid", label="generated")
        ax.set_title(f"{_greek(label)}  {distances[label]:.2f}", fontsize=9.5)
        ax.set(xlim=(-180, 180), xticks=(-180, 0, 180), yticks=())
        ax.set_ylim(bottom=0)
    _legend(figure, axes[0])
    return _picture(figure, "Densities of torsions in degrees; in titles the Jensen-Shannon distance")


def _greek(label: str) -> str:
    for name, letter in (("phi", "φ"), ("psi", "ψ"), ("chi", "χ")):
        label = label.replace(name, letter)
    return label


def surface_figure(result: Results) -> Picture | None:
    """Free energy on TICA-0 and TICA-1, side by side."""
    surface = result.surface
    if surface is None:
        return None
    figure, axes = _grid(2, 2, 3.4, 2.8, shared=True)
    x, y = surface.edges
    for ax, counts, title in zip(axes, (surface.reference, surface.generated), ("reference", "generated"), strict=True):
        with np.errstate(divide="ignore"):
            energy = -np.log(counts / counts.max())
        energy[~np.isfinite(energy)] = np.nan
        mesh = ax.pcolormesh(x, y, energy.T, cmap="cividis", vmin=0, vmax=_SURFACE_LIMIT, rasterized=True)
        ax.set_title(title, fontsize=10.5)
        ax.set_xlabel("TICA-0", fontsize=9.5)
    axes[0].set_ylabel("TICA-1", fontsize=9.5)
    bar = figure.colorbar(mesh, ax=axes, extend="max", shrink=0.9)
    bar.set_label("free energy, kT", fontsize=9.5)
    bar.ax.tick_params(labelsize=8.5)
    return _picture(figure, "Free energy on the two slowest components of the reference, in kT")


def decorrelation_figure(result: Results) -> Picture:
    """Autocorrelation of backbone and side chains (means, single torsions faint), and relaxation times."""
    d, labels = result.decorrelation, result.torsions.labels
    backbone = np.array([label.startswith(("phi", "psi")) for label in labels])
    groups = [(n, c) for n, c in (("backbone", backbone), ("side chains", ~backbone)) if c.any()]
    figure, axes = _grid(len(groups) + 1, 3, 3.3, 2.7)
    rows = (("reference", d.reference, REFERENCE, "-"), ("generated", d.generated, GENERATED, "--"))
    for ax, (name, columns) in zip(axes, groups, strict=False):
        for side, curves, colour, style in rows:
            if columns.sum() <= MAX_TORSIONS:
                ax.plot(d.lags, curves[:, columns], color=colour, ls=style, lw=0.5, alpha=0.3)
            ax.plot(d.lags, _mean(curves[:, columns]), color=colour, ls=style, lw=2, label=side)
        ax.plot(d.lags, _mean(d.shuffled[:, columns]), color=CONTROL, ls=":", lw=1.5, label="shuffled")
        ax.axhline(math.exp(-1), color="k", lw=0.4)
        ax.set(xscale="log", ylim=(-0.3, 1))
        ax.set_title(f"autocorrelation, {name}", fontsize=10.5)
        ax.set_xlabel("lag, ps", fontsize=9.5)
    _relaxation(axes[-1], d.relaxation_reference, d.relaxation_generated, backbone)
    _legend(figure, axes[0])
    return _picture(figure, "Normalised autocorrelation of torsions (line at 1/e) and relaxation times")


def _mean(curves: np.ndarray) -> np.ndarray:
    finite = np.isfinite(curves).all(0)
    return curves[:, finite].mean(1) if finite.any() else np.full(len(curves), np.nan)


def _relaxation(ax: Axes, reference: np.ndarray, generated: np.ndarray, backbone: np.ndarray) -> None:
    """Scatter of relaxation times of both sides."""
    both = np.isfinite(reference) & np.isfinite(generated) & (reference > 0) & (generated > 0)
    for columns, marker, name in ((backbone, "o", "backbone"), (~backbone, "^", "side chains")):
        chosen = columns & both
        ax.scatter(reference[chosen], generated[chosen], marker=marker, s=22, color="#333333", alpha=0.7, label=name)
    if both.any():
        ends = [min(reference[both].min(), generated[both].min()), max(reference[both].max(), generated[both].max())]
        ax.plot(ends, ends, color="k", lw=0.5)
    ax.set(xscale="log", yscale="log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_formatter(NullFormatter())
    ax.set_title("relaxation times, ps", fontsize=10.5)
    ax.set_xlabel("reference", fontsize=9.5)
    ax.set_ylabel("generated", fontsize=9.5)
    ax.legend(fontsize=8.5, frameon=False)


def content_figure(result: Results) -> Picture | None:
    """Dynamical content: how much autocorrelation is lost per decade of time."""
    d = result.decorrelation
    if len(d.content_times) < 2:
        return None
    figure, (ax,) = _grid(1, 1, 5.0, 2.5)
    ax.plot(d.content_times, _mean(d.content_reference), color=REFERENCE, lw=1.8, marker="o", ms=4, label="reference")
    ax.plot(
        d.content_times,
        _mean(d.content_generated),
        color=GENERATED,
        lw=1.8,
        ls="--",
        marker="s",
        ms=4,
        label="generated",
    )
    ax.axhline(0, color="k", lw=0.4)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("time, ps", fontsize=9.5)
    ax.set_ylabel("loss per decade", fontsize=9.5)
    _legend(figure, ax)
    return _picture(
        figure, "Dynamical content by timescale: autocorrelation lost per decade of time, mean over torsions"
    )


def flux_figure(result: Results) -> Picture:
    """Flux matrices between metastable states, and populations."""
    s = result.states
    figure, axes = _grid(3, 3, 3.4, 2.8)
    positive = np.concatenate([m[np.isfinite(m) & (m > 0)] for m in (s.flux_reference, s.flux_generated)])
    floor = np.log10(positive.min()) if len(positive) else -1.0
    for ax, matrix, title in zip(axes, (s.flux_reference, s.flux_generated), ("reference", "generated"), strict=False):
        with np.errstate(divide="ignore", invalid="ignore"):
            shown = np.log10(matrix)
        shown[~np.isfinite(shown)] = np.nan
        image = ax.imshow(shown, cmap="cividis", vmin=floor, vmax=0)
        ax.set_facecolor("#dddddd")
        ax.set_title(f"flux, {title}", fontsize=10.5)
        ax.set_xlabel("to state", fontsize=9.5)
    axes[0].set_ylabel("from state", fontsize=9.5)
    bar = figure.colorbar(image, ax=axes[:2], shrink=0.8)
    bar.set_label("log10 of share of transitions", fontsize=9.5)
    bar.ax.tick_params(labelsize=8.5)
    place = np.arange(len(s.populations_reference))
    axes[2].bar(place - 0.2, s.populations_reference, 0.4, color=REFERENCE, label="reference")
    axes[2].bar(
        place + 0.2, s.populations_generated, 0.4, color=GENERATED, hatch="//", edgecolor="w", label="generated"
    )
    axes[2].set_title("populations", fontsize=10.5)
    axes[2].set_xlabel("state", fontsize=9.5)
    for axis in (axes[0].xaxis, axes[0].yaxis, axes[1].xaxis, axes[1].yaxis, axes[2].xaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    _legend(figure, axes[2])
    return _picture(figure, "Fluxes between metastable states (grey: none) and their populations")


def _histogram(ax: Axes, h: Histogram, title: str) -> None:
    middle = (h.edges[1:] + h.edges[:-1]) / 2
    ax.fill_between(middle, h.reference, color=REFERENCE, alpha=0.35, lw=0, step="mid", label="reference")
    ax.step(middle, h.generated, color=GENERATED, lw=1.2, where="mid", label="generated")
    ax.set_title(title, fontsize=9.5)
    ax.set_yticks(())
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_ylim(bottom=0)


def structure_figure(result: Results) -> Picture | None:
    """Histograms of structural quantities, with energies where there are any."""
    found = dict(result.structure.histograms)
    if result.energies is not None:
        reference, generated = result.energies.reference.terms(), result.energies.generated.terms()
        for term, name in ENERGY_NAMES.items():
            found[f"{name}, kJ/mol"] = _energy_histogram(reference[term], generated[term])
    if not found:
        return None
    figure, axes = _grid(len(found), 4, 2.5, 1.7)
    for ax, (name, h) in zip(axes, found.items(), strict=True):
        _histogram(ax, h, name)
    _legend(figure, axes[0])
    return _picture(figure, "Densities of structural quantities; stray values are counted in the outermost bins")


def _energy_histogram(a: np.ndarray, b: np.ndarray) -> Histogram:
    """Densities over the reference's range, widened once to each side."""
    low, high = a.min(), a.max()
    edges = np.linspace(low - (high - low), high + (high - low) + 1e-6, 40)
    p, q = (np.histogram(np.clip(x, edges[0], edges[-1]), edges, density=True)[0] for x in (a, b))
    return Histogram(edges, p, q)


def rmsf_figure(result: Results) -> Picture | None:
    """C-alpha fluctuation along the chain."""
    chain = result.chain
    if chain is None:
        return None
    figure, (ax,) = _grid(1, 1, 5.0, 2.5)
    place = np.arange(1, len(chain.rmsf_reference) + 1)
    marker = "o" if len(place) < 30 else ""
    ax.plot(place, chain.rmsf_reference, color=REFERENCE, marker=marker, label="reference")
    ax.plot(place, chain.rmsf_generated, color=GENERATED, ls="--", marker=marker.replace("o", "s"), label="generated")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("C-alpha atom", fontsize=9.5)
    ax.set_ylabel("RMSF, Å", fontsize=9.5)
    _legend(figure, ax)
    return _picture(figure, "Root mean square fluctuation of C-alpha atoms")
