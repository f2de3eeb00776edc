"""Arguments as stock integrators have them: told apart by unit, and by place where there are no units.

Scripts come from ``LangevinMiddleIntegrator(temperature, friction, stepSize)``, ``VerletIntegrator(stepSize)`` and
others; replacing the class and putting the topology first must do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from openmm import app, unit

from openmm_mdgen.convert.times import Time, is_number, text_to_picoseconds, to_picoseconds
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.protocols import ModelLike

_RATE = unit.picosecond**-1
_EXAMPLES = {
    "temperature": "350*kelvin",
    "friction": "1/picosecond",
    "stepSize": "4*femtoseconds",
    "frameInterval": "10*picoseconds",
}
_KINDS = {"temperature": "temperature", "friction": "rate", "stepSize": "time", "frameInterval": "time"}
_LAYOUTS: tuple[tuple[str, ...], ...] = (
    (),
    ("temperature",),
    ("stepSize",),
    ("temperature", "stepSize"),
    ("temperature", "friction"),
    ("temperature", "friction", "stepSize"),
    ("temperature", "stepSize", "frameInterval"),
    ("temperature", "friction", "stepSize", "frameInterval"),
)
_REST = ("model", "seed", "device", "strict")
_LONGEST_STEP = 0.1  # ps: what a stock integrator's step may be, where a number before it is its friction


Temperature: TypeAlias = "float | unit.Quantity"
Rate: TypeAlias = "float | unit.Quantity"


@dataclass(frozen=True)
class Arguments:
    """What the constructor was given; None where it was not.

    Attributes
    ----------
    temperature, friction, stepSize, frameInterval : Quantity, number or str
    model : ModelLike
    seed : int
    device : str
    strict : bool
    """

    temperature: Temperature | None = None
    friction: Rate | None = None
    stepSize: Time | None = None  # noqa: N815
    frameInterval: Time | None = None  # noqa: N815
    model: ModelLike | None = None
    seed: int | None = None
    device: str | None = None
    strict: bool | None = None


def sorted_arguments(given: Sequence[Any], named: Arguments) -> Arguments:
    """Join arguments given by place with those given by name.

    Parameters
    ----------
    given : sequence
        After the topology: numbers, quantities and times, then model, seed, device and strict.
    named : Arguments
        By name.

    Raises
    ------
    MDGenError
        Where an argument comes twice or the order fits no integrator.

    Examples
    --------
    >>> sorted_arguments([350, 1.0, 0.004], Arguments()).stepSize
    0.004
    """
    count = next((i for i, value in enumerate(given) if not _is_setting(value)), len(given))
    settings, rest = given[:count], given[count:]
    if len(rest) > len(_REST):
        raise MDGenError(f"{len(given)} arguments after the topology are too many; name those after the model")
    layout = next((layout for layout in _LAYOUTS if _fits(layout, settings)), None) or _layout_by_unit(settings)
    if len(layout) != len(settings):
        raise MDGenError(
            f"the arguments ({', '.join(map(_shown, settings))}) are in no integrator's order; give "
            f"GenerativeIntegrator(topology, {_named_call()})"
        )
    by_place = dict(zip(layout, settings, strict=True)) | dict(zip(_REST, rest, strict=False))
    by_name = vars(named)
    for name, value in by_place.items():
        if value is not None and by_name[name] is not None:
            raise MDGenError(
                f"{name} was given twice, as {_shown(value)} by place and {_shown(by_name[name])} by name; "
                "leave one out"
            )
    return Arguments(**by_name | {name: value for name, value in by_place.items() if value is not None})


def checked_topology(topology: object, given: Sequence[object], named: Arguments) -> app.Topology:
    """The topology, or an error that shows the call with it."""
    if isinstance(topology, app.Topology):
        return topology
    if topology is None or _is_setting(topology):
        by_place = [_shown(value) for value in ([] if topology is None else [topology, *given])]
        by_name = [
            f"{name}={_shown(value)}" for name, value in vars(named).items() if name in _EXAMPLES and value is not None
        ]
        call = ", ".join(["pdb.topology", *by_place, *by_name])
        raise MDGenError(f"the topology is missing; it comes first: GenerativeIntegrator({call})")
    remedy = "pass its .topology" if hasattr(topology, "topology") else "pass pdb.topology"
    raise MDGenError(f"topology is a {type(topology).__name__}, not an openmm.app.Topology; {remedy}")


def to_kelvin(temperature: Temperature) -> float:
    """Kelvin of a number or a quantity of temperature, or an error that names the argument."""
    if is_number(temperature):
        return float(temperature)
    if isinstance(temperature, unit.Quantity) and _kind(temperature) == "temperature":
        return float(temperature.value_in_unit(unit.kelvin))
    raise MDGenError(
        f"temperature {_shown(temperature)} is no temperature; give temperature={_EXAMPLES['temperature']} or a number "
        "in K"
    )


def to_rate(friction: Rate) -> float:
    """1/ps of a number or a quantity of 1/time, or an error that names the argument."""
    if is_number(friction):
        return float(friction)
    if isinstance(friction, unit.Quantity) and _kind(friction) == "rate":
        return float(friction.value_in_unit(_RATE))
    raise MDGenError(
        f"friction {_shown(friction)} is no rate; give friction={_EXAMPLES['friction']}, which has no effect, or leave "
        "it out"
    )


def to_time(name: str, value: Time) -> float:
    """Picoseconds of ``stepSize`` or ``frameInterval``."""
    return to_picoseconds(value, name, _EXAMPLES[name])


def _is_setting(value: object) -> bool:
    """Whether a value is a temperature, friction or time, or None in the place of one."""
    return _kind(value) is not None


def _kind(value: object) -> str | None:
    if isinstance(value, unit.Quantity):
        known = {"temperature": unit.kelvin, "rate": _RATE, "time": unit.picosecond}
        return next((kind for kind, units in known.items() if value.unit.is_compatible(units)), "other")
    if value is None or is_number(value):
        return "any"
    return "time" if isinstance(value, str) and text_to_picoseconds(value) is not None else None


def _fits(layout: Sequence[str], settings: Sequence[Any]) -> bool:
    """Whether every setting can be what the layout says of its place."""
    if len(layout) != len(settings):
        return False
    if any(_kind(value) not in ("any", _KINDS[name]) for name, value in zip(layout, settings, strict=True)):
        return False
    of = dict(zip(layout, settings, strict=True))
    before_a_long_time = _kind(of.get("stepSize")) == "time" and to_time("stepSize", of["stepSize"]) > _LONGEST_STEP
    return not ("friction" in of and _kind(of["friction"]) == "any" and before_a_long_time)


def _layout_by_unit(settings: Sequence[Any]) -> tuple[str, ...]:
    """Names of settings that all have units, in any order; shorter than they are where a unit comes too often."""
    free = list(_KINDS)
    layout = []
    for value in settings:
        name = next((name for name in free if _KINDS[name] == _kind(value)), None)
        if name is None:
            return ()
        free.remove(name)
        layout.append(name)
    return tuple(layout)


def _named_call() -> str:
    return ", ".join(f"{name}={_EXAMPLES[name]}" for name in ("temperature", "stepSize", "frameInterval"))


def _shown(value: object) -> str:
    """A value as a script writes it."""
    if not isinstance(value, unit.Quantity):
        return repr(value)
    number, name = value.value_in_unit(value.unit), value.unit.get_name()
    if name.startswith("/"):
        return f"{number:g}/{name.removeprefix('/')}"
    plural = "s" if value.unit.is_compatible(unit.picosecond) and not name.endswith("s") and number != 1 else ""
    return f"{number:g}*{name}{plural}"
