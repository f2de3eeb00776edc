"""The numbers of an evaluation: dataclasses, as JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from openmm_mdgen.evaluation.chains import ChainScores
from openmm_mdgen.evaluation.energies import Energies, Overlap
from openmm_mdgen.evaluation.paths import PathScores
from openmm_mdgen.evaluation.scores import Scores
from openmm_mdgen.evaluation.sequences import Recovery
from openmm_mdgen.files.tables import csv_text


@dataclass(frozen=True)
class Histogram:
    """Densities of a quantity on both sides, (B,), over `edges` (B + 1,)."""

    edges: np.ndarray
    reference: np.ndarray
    generated: np.ndarray


@dataclass(frozen=True)
class TorsionHistograms:
    """Densities (K, 100) over the circle, per radian, and what the K torsions are called."""

    labels: tuple[str, ...]
    edges: np.ndarray
    reference: np.ndarray
    generated: np.ndarray


@dataclass(frozen=True)
class Surface:
    """Counts (50, 50) on TICA-0 and TICA-1 over `edges` (2, 51)."""

    edges: np.ndarray
    reference: np.ndarray
    generated: np.ndarray


@dataclass(frozen=True)
class Decorrelation:
    """Normalised autocorrelation (L, K) at `lags` (L,) ps, relaxation times (K,) ps, dynamical content (M, K)."""

    lags: np.ndarray
    reference: np.ndarray
    generated: np.ndarray
    shuffled: np.ndarray
    relaxation_reference: np.ndarray
    relaxation_generated: np.ndarray
    content_times: np.ndarray
    content_reference: np.ndarray
    content_generated: np.ndarray


@dataclass(frozen=True)
class States:
    """Metastable states: populations (S,), fluxes (S, S), the model's timescales in ps, states never generated."""

    populations_reference: np.ndarray
    populations_generated: np.ndarray
    flux_reference: np.ndarray
    flux_generated: np.ndarray
    timescales: np.ndarray
    unvisited: tuple[int, ...]


@dataclass(frozen=True)
class Slowest:
    """Relaxation of TICA-0 in ps on both sides; wall seconds per relaxation and their ratio, NaN where not given."""

    reference: float
    generated: float
    reference_seconds: float
    generated_seconds: float
    speed_up: float


@dataclass(frozen=True)
class StructureSummary:
    """Shares of the frames checked that have errors; means and standard deviations in Å and degrees."""

    n_frames: int
    clash: float
    broken_bond: float
    wrong_chirality: float
    bent_plane: float
    smallest_distance: float
    cn_length: tuple[float, float]
    ca_c_n: tuple[float, float]
    c_n_ca: tuple[float, float]
    radius_of_gyration: tuple[float, float]


@dataclass(frozen=True)
class StructureComparison:
    """Both sides' structures, and histograms by name."""

    reference: StructureSummary
    generated: StructureSummary
    histograms: dict[str, Histogram]


@dataclass(frozen=True)
class EnergyPair:
    """Energies of both sides in kJ/mol, and their overlap by term."""

    reference: Energies
    generated: Energies
    overlap: dict[str, Overlap]


@dataclass(frozen=True)
class View:
    """Frames for the three-dimensional view: multi-model PDB text of both sides."""

    reference: str
    generated: str


@dataclass(frozen=True)
class Results:
    """Everything that was computed; sections that do not apply are None, and `notes` say why.

    Attributes
    ----------
    settings : dict
        Conventions and sizes.
    scores : Scores
        Of the generated trajectories.
    controls : dict of str to Scores
        Shuffled copy, replicate or halves of the reference, prefixes.
    verdicts : dict of str to str
        In words, by section.
    """

    settings: dict[str, Any]
    scores: Scores
    controls: dict[str, Scores]
    torsions: TorsionHistograms
    surface: Surface | None
    decorrelation: Decorrelation
    states: States
    structure: StructureComparison
    decorrelation_time: Slowest
    chain: ChainScores | None = None
    energies: EnergyPair | None = None
    paths: PathScores | None = None
    recovery: Recovery | None = None
    verdicts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    view: View | None = None

    def to_json(self) -> str:
        """Every number but the coordinates of the view; NaN and infinity become null."""
        content = asdict(self)
        del content["view"]
        return json.dumps(_plain(content), indent=1, allow_nan=False)

    def to_csv(self) -> str:
        """One number per line: its place, separated by dots, and its value."""
        content = asdict(self)
        for name in ("view", "verdicts", "notes"):
            del content[name]
        return csv_text([("name", "value"), *_flat("", _plain(content))])


def _plain(value: object) -> Any:
    """Arrays and tuples to lists, numbers that are not finite to None."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _flat(prefix: str, value: object) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield prefix, "" if value is None else value
        return
    for name, item in items:
        yield from _flat(f"{prefix}.{name}" if prefix else str(name), item)
