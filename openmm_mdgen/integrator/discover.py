"""Finding the Context and Simulation that hold an integrator, and reporters that ask between frames.

OpenMM gives an Integrator no route to its Context; the garbage collector knows every object, and asking it costs some
milliseconds, once.
"""

import gc
import warnings
import weakref
from typing import Any, Protocol

import openmm as mm
from openmm import app

from openmm_mdgen.errors import MDGenError, MDGenWarning


def find_holders(integrator: mm.Integrator) -> tuple[mm.Context, app.Simulation | None]:
    """The Context made with this very Python object, and the Simulation around it if there is one.

    Raises
    ------
    MDGenError
        If there is no Context.
    """
    holders = _referrers(integrator)
    contexts = [found for found in holders if isinstance(found, mm.Context)]
    if not contexts:
        raise MDGenError(
            "the integrator belongs to no Context that Python can see; make a Simulation or Context with it, "
            "or call integrator.bind(simulation) before stepping"
        )
    simulations = [found for found in holders if isinstance(found, app.Simulation) and found.context is contexts[0]]
    return contexts[0], next(iter(simulations), None)


def _referrers(integrator: mm.Integrator) -> list[mm.Context | app.Simulation]:
    """Contexts and Simulations with the integrator among their attributes, which Python may keep in a dict apart."""
    direct = gc.get_referrers(integrator)
    dicts = [found for found in direct if type(found) is dict]
    holders = direct + (gc.get_referrers(*dicts) if dicts else [])
    return [found for found in holders if _held_by(found) is integrator]


def _held_by(candidate: object) -> mm.Integrator | None:
    """The Python object that a Context or Simulation was made with; None for anything else."""
    for kind, name in ((mm.Context, "_integrator"), (app.Simulation, "integrator")):
        if issubclass(type(candidate), kind):
            return getattr(candidate, name, None)  # absent while it is being made
    return None


class Reporter(Protocol):
    """What OpenMM asks of a reporter."""

    def describeNextReport(self, simulation: app.Simulation) -> tuple[int, bool, bool, bool, bool] | dict[str, Any]:
        """Steps until its next report, and what it needs of the state."""
        ...


class ReporterWatch:
    """Warns once about each reporter that will ask between two frames.

    Parameters
    ----------
    simulation : openmm.app.Simulation
        Its reporters are looked at whenever `look` is called.
    """

    def __init__(self, simulation: app.Simulation) -> None:
        self._simulation = weakref.ref(simulation)
        self._warned: set[int] = set()  # by identity: reporters need not be hashable

    def look(self, steps_per_frame: int) -> None:
        """Compare every reporter's next report with the steps at which frames appear."""
        simulation = self._simulation()
        if simulation is None:
            return
        self._warned &= {id(reporter) for reporter in simulation.reporters}
        for reporter in simulation.reporters:
            if id(reporter) not in self._warned:
                self._look_at(reporter, simulation, steps_per_frame)

    def _look_at(self, reporter: Reporter, simulation: app.Simulation, steps_per_frame: int) -> None:
        steps, wants_state = _next_report(reporter, simulation)
        at = simulation.currentStep + steps
        if not wants_state or steps <= 0 or at % steps_per_frame == 0:
            return
        self._warned.add(id(reporter))
        fitting = max(1, round(steps / steps_per_frame)) * steps_per_frame
        warnings.warn(
            f"{type(reporter).__name__} reports at step {at}, between frames (one every {steps_per_frame} steps), and "
            f"gets the frame before it again; use a report interval of {fitting} or another multiple of "
            f"{steps_per_frame}",
            MDGenWarning,
            stacklevel=5,
        )


def _next_report(reporter: Reporter, simulation: app.Simulation) -> tuple[int, bool]:
    """Steps until a reporter's next report, and whether it looks at the state at all (checkpoints do not)."""
    report = reporter.describeNextReport(simulation)
    if isinstance(report, tuple):
        return report[0], any(report[1:5])
    return report["steps"], bool(report["include"])
