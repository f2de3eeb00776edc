"""What a model is: what it says of itself, and for each task the one verb that it must offer.

Knows no torch. What a ``model=`` argument means for a task is asked once, see `openmm_mdgen.weights.roles`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, TypeGuard

import numpy as np

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.tasks.optional import offers, optional
from openmm_mdgen.tasks.propagator import Propagator

SAME_KELVIN = 0.5


@dataclass(frozen=True)
class ModelInfo:
    """What a model says of itself; None or empty where it says nothing.

    Attributes
    ----------
    name
        As users know it.
    tasks
        What it can do: 'simulate', 'interpolate', 'unconditional', 'inpaint', 'design', 'upsample'.
    content_hash
        SHA-256 of its weights.
    temperatures
        K, lowest and highest that it learned.
    intervals
        ps between frames, smallest and largest that it learned.
    spacings
        ps between key frames, smallest and largest, of an upsampling model.
    lengths
        Residues, fewest and most, caps left out.
    device, precision
        Where it runs, and what it multiplies in.

    Examples
    --------
    >>> openmm_mdgen.load_task("peptide").info.lengths
    (1, 8)
    """

    name: str
    tasks: tuple[str, ...] = ()
    content_hash: str = ""
    temperatures: tuple[float, float] | None = None
    intervals: tuple[float, float] | None = None
    spacings: tuple[float, float] | None = None
    lengths: tuple[int, int] | None = None
    device: str = ""
    precision: str = ""

    @property
    def temperature(self) -> float | None:
        """K, where there is only one."""
        if self.temperatures is None or self.temperatures[0] != self.temperatures[1]:
            return None
        return self.temperatures[0]

    def check_temperature(self, temperature: float | None) -> None:
        """Raise `MDGenError` where a temperature in K is none that the model learned."""
        if temperature is None or self.temperatures is None:
            return
        low, high = self.temperatures
        if not low - SAME_KELVIN <= temperature <= high + SAME_KELVIN:
            learned = f"{low:g} K" if low == high else f"{low:g} to {high:g} K"
            raise MDGenError(
                f"a temperature of {temperature:g} K is not one of model {self.name!r}, which learned {learned}; give "
                "one that it learned, or train a model on your own MD (openmm-mdgen train)"
            )


class Simulator(Protocol):
    """A model of forward simulation: it becomes a `Propagator` once it knows the atoms.

    ``temperature`` is passed only to models that learned more than one; those of one need not take it.
    """

    def bind(
        self,
        structure: Structure,
        interval: float,
        *,
        reference: np.ndarray | None = None,
        temperature: float | None = None,
    ) -> Propagator:
        """A propagator for these atoms, frames ``interval`` ps apart.

        Parameters
        ----------
        reference
            (N, 3) Å, where bond lengths and angles are taken from; default: the structure's positions.
        temperature
            K, of the ensemble.
        """
        ...


class PathSampler(Protocol):
    """Trajectories through key frames."""

    def sample(self, keys: Mapping[int, np.ndarray], n_frames: int, seeds: Sequence[int]) -> np.ndarray:
        """Key frames (N, 3) Å by frame number, one seed a path -> (B, n_frames, N, 3) Å."""
        ...


class PathModel(Protocol):
    """A model of interpolation."""

    def bind_paths(self, structure: Structure, interval: float) -> PathSampler:
        """A sampler of paths over these atoms."""
        ...


class FreeSampler(Protocol):
    """Trajectories from no start."""

    def sample(self, n_frames: int, seeds: Sequence[int]) -> np.ndarray:
        """One seed a trajectory -> (B, n_frames, N, 3) Å."""
        ...


class SequenceModel(Protocol):
    """A model of trajectories from a sequence alone."""

    def bind_sequence(self, structure: Structure, interval: float) -> FreeSampler:
        """A sampler over these atoms, whose conformation is not used."""
        ...


class ResidueSampler(Protocol):
    """Trajectories whose given residues move as given.

    Attributes
    ----------
    n_kept
        Frames in which the generated residues could not be joined to the given ones.
    """

    n_kept: int

    def sample(self, frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Frames (T, N, 3) Å with the given residues' motion, one seed a trajectory -> (B, T, N, 3) Å."""
        ...


class ResidueModel(Protocol):
    """A model of inpainting."""

    def bind_residues(self, structure: Structure, residues: Collection[int], interval: float) -> ResidueSampler:
        """A sampler that generates these residues, places from 0 with caps left out."""
        ...


class Guesser(Protocol):
    """What is known of the residues in the designed places.

    Attributes
    ----------
    informed
        (P,) of bool: for which places the frames say something, and not only how often residues are.
    """

    informed: np.ndarray

    def probabilities(self) -> np.ndarray:
        """(P, 20)."""
        ...

    def rank(self, n: int) -> Sequence[tuple[str, float]]:
        """The n most probable sequences, each with its probability."""
        ...


class DesignModel(Protocol):
    """A model of design, which guesses identities; trajectories then come from `ResidueModel`."""

    def read(self, structure: Structure, residues: Collection[int], frames: np.ndarray, interval: float) -> Guesser:
        """What frames (T, N, 3) Å of the given residues say of the others."""
        ...


Model: TypeAlias = (
    Propagator | Simulator | PathModel | SequenceModel | ResidueModel | DesignModel | GapModel | GapFiller
)
"""What `load_task` gives."""

ModelLike: TypeAlias = str | Path | Model
"""What a ``model=`` argument takes: a name, a file, ``hf://...``, or an object."""

VERBS = {
    "simulate": ("next_block", "bind"),
    "interpolate": ("bind_paths",),
    "unconditional": ("bind_sequence",),
    "inpaint": ("bind_residues",),
    "design": ("read",),
    "upsample": ("fill", "bind_gaps"),
}
"""By task, the methods of which a model of that task has at least one."""


def network_tasks(inpaints: bool) -> tuple[str, ...]:
    """Names of the tasks that a token network can do."""
    always = ("simulate", "interpolate", "unconditional")
    return (*always, "inpaint", "design") if inpaints else always


def known_object(model: Model) -> Model:
    """An object that is given as a model, as it is.

    Raises
    ------
    MDGenError
        If it has none of the methods in `VERBS`.
    """
    if not any(offers(model, verb) for verbs in VERBS.values() for verb in verbs):
        raise MDGenError(
            f"model= got a {type(model).__name__} without next_block or bind; see tasks.propagator.Propagator"
        )
    return model


def is_propagator(model: object) -> TypeGuard[Propagator]:
    """Whether it makes blocks as it is."""
    return offers(model, "next_block")


def is_simulator(model: object) -> TypeGuard[Simulator]:
    """Whether it makes blocks once it is bound."""
    return offers(model, "bind")


def is_gap_model(model: object) -> TypeGuard[GapModel]:
    """Whether it fills gaps once it is bound."""
    return offers(model, "bind_gaps")


def is_gap_filler(model: object) -> TypeGuard[GapFiller]:
    """Whether it fills gaps as it is."""
    return offers(model, "fill")


def model_info(model: object) -> ModelInfo:
    """What a model says of itself in ``info``, or by attributes of these names where it comes from another package."""
    info = optional(model, "info")
    if isinstance(info, ModelInfo):
        return info
    temperature = optional(model, "temperature")
    return ModelInfo(
        name=str(optional(model, "name") or type(model).__name__),
        tasks=optional(model, "tasks")
        or tuple(t for t, verbs in VERBS.items() if any(offers(model, v) for v in verbs)),
        content_hash=str(optional(model, "content_hash") or ""),
        temperatures=optional(model, "temperatures") or (temperature and (float(temperature), float(temperature))),
        intervals=optional(model, "intervals"),
        spacings=optional(model, "spacings"),
        lengths=optional(model, "lengths"),
        device=str(optional(model, "device") or ""),
        precision=str(optional(model, "precision") or ""),
    )


def default_temperature(model: object) -> float | None:
    """K, at which a model simulates where none is given: its only one, or of several the one that it names."""
    only, named = model_info(model).temperature, optional(model, "temperature")
    return only if only is not None else named if named is None else float(named)


def bind_simulator(
    model: Propagator | Simulator,
    structure: Structure,
    interval: float,
    *,
    reference: np.ndarray | None = None,
    temperature: float | None = None,
    hydrogens: str | None = None,
) -> Propagator:
    """The propagator of a model for these atoms; one that makes blocks as it is stays as it is.

    Arguments are those of `Simulator.bind`; a model that learned one temperature, or says of none, is not told it.
    ``hydrogens`` is told to models that know of ``with_hydrogens``.

    Raises
    ------
    MDGenError
        Where the model does not take the structure, the interval or the temperature.
    """
    if is_propagator(model):
        return model
    if hydrogens is not None and offers(model, "with_hydrogens"):
        model = model.with_hydrogens(hydrogens)  # type: ignore[union-attr]
    assert is_simulator(model)
    info = model_info(model)
    if temperature is not None and info.temperature is None and info.temperatures is not None:
        return model.bind(structure, interval, reference=reference, temperature=temperature)
    if reference is not None:
        return model.bind(structure, interval, reference=reference)
    return model.bind(structure, interval)
