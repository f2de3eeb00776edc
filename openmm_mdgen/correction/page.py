"""The page of a correction: free-energy surfaces before and after, populations, timescales, words."""

from __future__ import annotations

import base64
import io
from importlib.resources import files

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from openmm_mdgen.correction.numbers import Numbers, Surface
from openmm_mdgen.evaluation.extras import require

_BEFORE, _AFTER = "#D55E00", "#0072B2"
_LIMIT = 6.0  # kT
_MOST_SURFACES = 6


def render(result: Numbers) -> str:
    """HTML that needs nothing beside it.

    Raises
    ------
    MDGenError
        When jinja2 is missing.
    """
    jinja2 = require("jinja2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(
        (files("openmm_mdgen.correction") / "correction.html").read_text(encoding="utf-8")
    )
    pictures = [_populations(result), _timescales(result)]
    if result.surfaces:
        pictures.insert(0, _surfaces(result.surfaces[:_MOST_SURFACES]))
    return str(
        template.render(result=result, pictures=pictures, rows=_rows(result), degrees=np.rad2deg(result.centres))
    )


def _rows(result: Numbers) -> list[tuple[str, ...]]:
    """Cells of the table of states."""
    a, m = result.after, result.markov
    before, after = result.free_energies(result.before), result.free_energies(a.value)
    return [
        (
            str(k),
            f"{result.before[k]:.3f}",
            f"{a.value[k]:.3f} ({a.low[k]:.3f} to {a.high[k]:.3f})",
            f"{m.value[k]:.3f} ({m.low[k]:.3f} to {m.high[k]:.3f})",
            f"{before[k] + 0.0:.1f}",
            f"{after[k] + 0.0:.1f}",
            f"{result.borrowed[k]:.0%}",
            ", ".join(f"{n} {c:.0f}°" for n, c in zip(result.torsions, np.rad2deg(result.centres[k]), strict=True)),
        )
        for k in range(result.n_states)
    ]


def _surfaces(surfaces: tuple[Surface, ...]) -> tuple[str, str]:
    """Above each other where there are several; beside each other where there is one."""
    rows, columns = (2, len(surfaces)) if len(surfaces) > 1 else (1, 2)
    figure = Figure((3.1 * columns + 0.8, 2.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for column, surface in zip(axes.T if len(surfaces) > 1 else axes, surfaces, strict=True):
        for ax, counts, when in zip(column, (surface.before, surface.after), ("generated", "corrected"), strict=True):
            mesh = _surface(ax, surface.edges, counts)
            ax.set_title(f"{surface.label}, {when}", fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("φ, degrees", fontsize=9)
    for ax in axes[:, 0]:
        ax.set_ylabel("ψ, degrees", fontsize=9)
    figure.colorbar(mesh, ax=axes, extend="max", shrink=0.6).set_label("free energy, kT", fontsize=9)
    return _png(figure), "Free energy on (φ, ψ): frames as generated, and after correction"


def _surface(ax: Axes, edges: np.ndarray, counts: np.ndarray) -> QuadMesh:
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = -np.log(counts / counts.max())
    energy[~np.isfinite(energy)] = np.nan
    ax.set(xticks=(-180, -90, 0, 90, 180), yticks=(-180, -90, 0, 90, 180))
    ax.tick_params(labelsize=8)
    degrees = np.rad2deg(edges)
    return ax.pcolormesh(degrees, degrees, energy.T, cmap="cividis", vmin=0, vmax=_LIMIT, rasterized=True)


def _populations(result: Numbers) -> tuple[str, str]:
    figure = Figure((3.0 + 0.9 * result.n_states, 2.8), layout="constrained")
    ax = figure.subplots()
    place, a = np.arange(result.n_states), result.after
    ax.bar(place - 0.2, result.before, 0.4, color=_BEFORE, hatch="//", edgecolor="w", label="generated")
    ax.bar(place + 0.2, a.value, 0.4, color=_AFTER, label="corrected")
    spread = np.clip([a.value - a.low, a.high - a.value], 0, None)
    ax.errorbar(place + 0.2, a.value, np.nan_to_num(spread), fmt="none", ecolor="k", lw=1, capsize=3)
    ax.set_xticks(place)
    ax.set_xlabel("state", fontsize=9)
    ax.set_ylabel("population", fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2, fontsize=9, frameon=False)
    return _png(figure), "Populations of the states, with 95 % intervals"


def _timescales(result: Numbers) -> tuple[str, str]:
    figure = Figure((4.2, 2.8), layout="constrained")
    ax = figure.subplots()
    for k, curve in enumerate(result.timescales.T):
        ax.plot(result.lags, curve, marker="o", ms=3, color=_AFTER, alpha=1 - 0.28 * k)
    ax.fill_between(result.lags, result.lags, result.lags.min() * 0.5, color="#cccccc", lw=0)
    ax.axvline(result.lag, color="k", lw=0.6, ls=":")
    if len(result.lags) > 1:
        ax.set(xscale="log", yscale="log")
    ax.set_xlabel("lag, ps", fontsize=9)
    ax.set_ylabel("implied timescales, ps", fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    return _png(
        figure
    ), "Implied timescales against lag; the dotted line is the lag that was used, grey is faster than it"


def _png(figure: Figure) -> str:
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return base64.b64encode(stream.getvalue()).decode()
