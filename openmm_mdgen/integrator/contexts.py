"""Being told when a Context is made anew or loads a state.

OpenMM tells an Integrator neither, and both change what it must know: masses, constraints and forces are those of the
System as it was at the latest ``reinitialize``, and a checkpoint of another integrator fills variables with whatever it
holds.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable

import openmm as mm


class ContextListener(ABC):
    """An Integrator that is told of changes to the Context made with it."""

    @abstractmethod
    def reinitialized(self) -> None:
        """The Context was made anew from its System."""

    @abstractmethod
    def load(self, load: Callable[[], object]) -> object:
        """Call `load`, which loads a checkpoint or State, and put right what it did to the integrator's variables."""


def listen_to_contexts() -> None:
    """Have OpenMM's Contexts tell their integrators, where these are listeners; all others go on as ever.

    It is done once, when the first listener is made, and for the class: a State is loaded before an integrator can know
    its Context.
    """
    if hasattr(mm.Context.reinitialize, "__wrapped__"):
        return
    mm.Context.reinitialize = _reinitialize(mm.Context.reinitialize)
    mm.Context.loadCheckpoint = _loading(mm.Context.loadCheckpoint)
    mm.Context.setState = _loading(mm.Context.setState)


def _reinitialize(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def reinitialize(context: mm.Context, *args: object, **kwargs: object) -> None:
        original(context, *args, **kwargs)
        listener = context.getIntegrator()
        if isinstance(listener, ContextListener):
            listener.reinitialized()

    return reinitialize


def _loading(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def load(context: mm.Context, *args: object, **kwargs: object) -> None:
        listener = context.getIntegrator()
        if isinstance(listener, ContextListener):
            listener.load(lambda: original(context, *args, **kwargs))
        else:
            original(context, *args, **kwargs)

    return load
