"""An integrator that comes back: from checkpoints and States, as copies, and from pickles."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import openmm as mm
from openmm import app

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.integrator.blocks import BlockSource
from openmm_mdgen.integrator.contexts import ContextListener, listen_to_contexts
from openmm_mdgen.integrator.named import NamedSimulator
from openmm_mdgen.integrator.state import EXHAUSTED, StateVariables

_OF_A_CONTEXT = {
    "this",
    "_source",
    "_context",
    "_watch",
    "_is_read",
    "_warned",
    "_frozen",
    "_given",
    "_placer",
    "_velocities",
}


class ForeignStateError(MDGenError, mm.OpenMMException):  # type: ignore[misc]  # comes without types
    """A State of another integrator, which OpenMM itself refuses."""


class RestoringIntegrator(mm.CustomIntegrator, ContextListener):  # type: ignore[misc]  # comes without types
    """What a `GenerativeIntegrator` does where a state is loaded into it, and where it is copied.

    A state of another integrator leaves seed and temperature as they are; one of another model or interval goes on from
    its positions.
    """

    _topology: app.Topology
    _interval: float
    _model: NamedSimulator
    _source: BlockSource
    _source_key: int
    _variables: StateVariables

    @abstractmethod
    def _forget_context(self) -> None:
        """Belong to no Context yet."""

    def load(self, load: Callable[[], object]) -> object:
        """Call `load` for a checkpoint or State, and keep seed and temperature where it is another integrator's."""
        before = [self.getGlobalVariable(index) for index in range(self.getNumGlobalVariables())]
        try:
            result = load()
        except mm.OpenMMException as error:
            self._keep_variables(before)
            if "IntegratorParameters" in str(error) or "variable name" in str(error):  # all else is loaded by then
                raise ForeignStateError(
                    "the State was written with another integrator: its positions, time and step count are set, seed "
                    "and temperature stay; go on from here, or give simulation.context.setPositions its positions"
                ) from error
            raise
        if self._variables.are_intact(self):
            self._check_source()
        else:
            self._keep_variables(before)
            warnings.warn(
                "the checkpoint was written with another integrator: positions, time and step count are taken from it, "
                f"seed {self.getRandomNumberSeed()} and temperature {self.getTemperature()} stay as they were",
                MDGenWarning,
                stacklevel=4,
            )
        return result

    def _keep_variables(self, values: list[float]) -> None:
        """Put back what the global variables were; frames go on from the positions in another block."""
        for index, value in enumerate(values):
            self.setGlobalVariable(index, value)
        self._variables.write(self, replace(self._variables.read(self), index=EXHAUSTED))

    def _check_source(self) -> None:
        """Start another block where the state is that of another model or interval."""
        state = self._variables.read(self)
        if state.source_key == self._source_key:
            return
        self._variables.write(self, replace(state, index=EXHAUSTED, reference_key=0, source_key=self._source_key))
        warnings.warn(
            "the checkpoint or State was written with another model or frameInterval: the trajectory goes on from its "
            "positions, but not with the frames that it would have had; give the model and interval of then for those",
            MDGenWarning,
            stacklevel=5,
        )

    def __copy__(self) -> Self:
        """An integrator with the same model, settings and state, for another Context; `copy.deepcopy` does the same."""
        duplicate: Self = mm.XmlSerializer.clone(self)
        duplicate.__class__ = self.__class__
        duplicate._take_settings(self._settings())
        return duplicate

    def __getstate__(self) -> dict[str, object]:
        return {"settings": self._settings(), "variables": mm.XmlSerializer.serialize(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        listen_to_contexts()
        self.this = mm.XmlSerializer.deserialize(state["variables"]).this
        self._take_settings(state["settings"])

    def _settings(self) -> dict[str, object]:
        """What is noted in Python, without what belongs to a Context."""
        return {name: value for name, value in self.__dict__.items() if name not in _OF_A_CONTEXT}

    def _take_settings(self, settings: dict[str, object]) -> None:
        self.__dict__.update(settings)
        self._variables = self._variables.for_another()
        self._source = BlockSource(self._model.model, self._topology, self._interval)
        self._forget_context()
