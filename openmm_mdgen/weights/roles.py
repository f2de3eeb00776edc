"""What a ``model=`` argument means for a task: asked once by every edge, here.

Knows no torch until weights are read.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.tasks.gap import GapFiller, GapModel
from openmm_mdgen.tasks.optional import offers
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import (
    SAME_KELVIN,
    VERBS,
    Model,
    ModelInfo,
    ModelLike,
    PathModel,
    Simulator,
    known_object,
    model_info,
)

if TYPE_CHECKING:
    from openmm_mdgen.tasks.design import Design
    from openmm_mdgen.tasks.identity import IdentityModel
    from openmm_mdgen.tasks.inpaint import Inpaint
    from openmm_mdgen.tasks.model import PeptideModel
    from openmm_mdgen.tasks.unconditional import Unconditional

_WORDS = {
    "simulate": "simulate",
    "interpolate": "interpolate",
    "unconditional": "make trajectories from a sequence alone",
    "inpaint": "inpaint",
    "design": "design",
    "upsample": "fill the gaps between frames",
}
_Any = TypeVar("_Any")
_UPSAMPLING = {"peptide": "peptide-upsample"}  # bundled models that have weights of their own for this task


def as_simulator(model: ModelLike, device: str | None = None) -> Propagator | Simulator:
    """A model that simulates; `openmm_mdgen.tasks.protocols.bind_simulator` binds it to atoms.

    Parameters
    ----------
    model
        A name, a file, ``hf://owner/repository/file``, or an object with ``next_block`` or ``bind``.
    device
        As for `load_task`.

    Raises
    ------
    MDGenError
        As `load_task`, and where the model or its weights are for another task.

    Examples
    --------
    >>> propagator = bind_simulator(as_simulator("peptide"), load_structure("pep.pdb"), interval=10.0)
    """
    found = _loaded(model, device)
    if can(found, "simulate"):
        return cast("Propagator | Simulator", found)
    from openmm_mdgen.tasks.simulate import Simulate

    return _converted(Simulate, found, model)


def with_steps(model: _Any, n_steps: int) -> _Any:
    """A model with another number of solver steps.

    Raises
    ------
    MDGenError
        Where it has none to choose.
    """
    if not offers(model, "with_steps"):
        raise MDGenError(f"model {model_info(model).name!r} has no solver steps to choose; leave out the steps")
    return cast("_Any", cast("PeptideModel", model).with_steps(n_steps))


def tuned(model: _Any, steps: int | None = None, temperature: float | None = None) -> _Any:
    """A model with a number of solver steps and a temperature in K; None leaves them as they are.

    Raises
    ------
    MDGenError
        Where it has no steps to choose, or did not learn that temperature.
    """
    if steps is not None:
        model = with_steps(model, steps)
    model_info(model).check_temperature(temperature)
    if temperature is not None and offers(model, "at"):
        return cast("_Any", cast("PeptideModel", model).at(temperature))
    return model


def sampled_temperature(temperature: float | None, info: ModelInfo, *, strict: bool = False) -> float | None:
    """K at which a model samples: the one that is asked for, or the nearest that it learned, and then a warning.

    Raises
    ------
    MDGenError
        For what is no temperature, and where ``strict`` for one that the model did not learn.
    """
    if temperature is None:
        return None
    if not 0 < temperature < float("inf"):
        raise MDGenError(f"temperature {temperature:g} K is not above zero; give one in kelvin, such as 300")
    low, high = info.temperatures or (temperature, temperature)
    if low - SAME_KELVIN <= temperature <= high + SAME_KELVIN:
        return temperature
    nearest = min(max(temperature, low), high)
    fault = "not the model's" if low == high else f"outside the model's {low:g} to {high:g} K"
    message = (
        f"temperature {temperature:g} K is {fault}: the frames are of its ensemble at {nearest:g} K; give "
        f"temperature={nearest:g} or train a model at {temperature:g} K"
    )
    if strict:
        raise MDGenError(message)
    warnings.warn(message, MDGenWarning, stacklevel=4)
    return nearest


def as_interpolator(model: ModelLike, device: str | None = None) -> PathModel:
    """A model of paths through key frames; arguments and errors as for `as_simulator`."""
    found = _loaded(model, device)
    if can(found, "interpolate"):
        return cast(PathModel, found)
    from openmm_mdgen.tasks.interpolate import Interpolate

    return _converted(Interpolate, found, model)


def as_unconditional(model: ModelLike, device: str | None = None) -> Unconditional:
    """A model of trajectories from a sequence alone; arguments and errors as for `as_simulator`."""
    from openmm_mdgen.tasks.unconditional import Unconditional

    return _converted(Unconditional, _loaded(model, device), model)


def as_inpainter(model: ModelLike, device: str | None = None, *, show_identities: bool = True) -> Inpaint:
    """A model of inpainting; arguments and errors as for `as_simulator`, ``show_identities`` as for `Inpaint`."""
    from openmm_mdgen.tasks.inpaint import Inpaint

    return _converted(Inpaint, _loaded(model, device), model, show_identities=show_identities)


def as_designer(model: ModelLike, identities: IdentityModel, device: str | None = None) -> Design:
    """A model of design that guesses by ``identities``; arguments and errors as for `as_simulator`."""
    from openmm_mdgen.tasks.design import Design

    return _converted(Design, _loaded(model, device), model, identities=identities)


def as_upsampler(model: ModelLike, device: str | None = None) -> GapModel | GapFiller:
    """A model that fills gaps, of an object with ``bind_gaps`` or ``fill``; else as for `as_simulator`."""
    name = _UPSAMPLING.get(str(model), model) if isinstance(model, str | Path) else model
    found = _loaded(name, device)
    if can(found, "upsample"):
        return cast("GapModel | GapFiller", found)
    raise wrong_task(found, model, "upsample")


def can(model: object, task: str) -> bool:
    """Whether a loaded model does this task as it is."""
    return task in model_info(model).tasks and any(offers(model, verb) for verb in VERBS[task])


def wrong_task(found: object, model: object, task: str) -> MDGenError:
    """The error for a model of another task: what was given, what it can do, what to give instead."""
    info = model_info(found)
    name = model if isinstance(model, str) and not Path(model).suffix else info.name
    known = ", ".join(_WORDS[t] for t in info.tasks)
    remedy = "peptide-upsample" if task == "upsample" else "peptide"
    return MDGenError(
        f"model {name!r} cannot {_WORDS[task]}"
        f"{f' but can {known}' if known else ''}; choose {remedy!r} or another of `openmm-mdgen models`"
    )


def _loaded(model: ModelLike, device: str | None) -> Model:
    if not isinstance(model, str | Path):
        return known_object(model)
    from openmm_mdgen.weights.checkpoint import load_task  # brings torch: only where weights are read

    return load_task(model, device)


_Task = TypeVar("_Task", bound="PeptideModel")


def _converted(task: type[_Task], found: Model, model: object, **changes: object) -> _Task:
    """The weights of a token network for another of its tasks."""
    from openmm_mdgen.tasks.model import PeptideModel

    if isinstance(found, task):
        return replace(found, **changes)
    if isinstance(found, PeptideModel):
        return task.from_model(found, **changes)
    raise wrong_task(found, model, task.__name__.lower())
