"""The model of an integrator with the name it was given by, by which it travels to other processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import ModelInfo, ModelLike, Simulator, default_temperature, is_propagator, model_info
from openmm_mdgen.weights.roles import as_simulator

_WEIGHTS = (".safetensors", ".ckpt")


class NamedSimulator:
    """What simulates; pickled as name, device and content where it was given by name, else as the object that it is.

    Parameters
    ----------
    given : str, Path or object
        As for `openmm_mdgen.weights.roles.as_simulator`.
    device : str or None
        Likewise.

    Attributes
    ----------
    model : Propagator or Simulator
    info : ModelInfo
        What it says of itself.

    Raises
    ------
    MDGenError
        As `as_simulator`; where it is unpickled, also for weights that are not there or are others by now.
    """

    def __init__(self, given: ModelLike, device: str | None = None) -> None:
        self._given, self._device = given, device
        self.model: Propagator | Simulator = as_simulator(given, device)
        self.info: ModelInfo = model_info(self.model)
        several = self.info.temperatures is not None and self.info.temperature is None
        self._range = self.info.temperatures if several and not is_propagator(self.model) else None

    @property
    def content(self) -> str:
        """What tells it from other models: its weights, else how many frames its blocks have."""
        return self.info.content_hash or (
            f"{self.model.n_frames} frames" if is_propagator(self.model) else self.info.name
        )

    @property
    def temperature(self) -> float | None:
        """K, at which it simulates where none is given; None where it names none."""
        return default_temperature(self.model)

    def to_microkelvin(self, temperature: float) -> int:
        """1e-6 K of the ensemble that it gives at a temperature in K; 0 where that does not matter."""
        if self._range is None:
            return 0
        low, high = self._range
        return round(min(max(temperature, low), high) * 1e6)

    def __reduce__(self) -> tuple[Callable[..., NamedSimulator], tuple[object, ...]]:
        if not isinstance(self._given, str | Path):
            return _from_object, (_pickled(self._given),)
        is_file = Path(self._given).suffix in _WEIGHTS and "://" not in str(self._given)
        given = Path(self._given).absolute() if is_file else self._given
        return _from_name, (given, self._device, self.info.content_hash)


def _from_name(given: str | Path, device: str | None, content_hash: str) -> NamedSimulator:
    named = NamedSimulator(given, device)
    if named.info.content_hash != content_hash:
        raise MDGenError(
            f"model {str(given)!r} has content {named.info.content_hash[:12] or 'unknown'}, the pickled integrator's "
            f"had {content_hash[:12]}; put those weights back, or construct the integrator anew"
        )
    return named


def _from_object(content: bytes) -> NamedSimulator:
    return NamedSimulator(pickle.loads(content))


def _pickled(model: object) -> bytes:
    try:
        return pickle.dumps(model)
    except Exception as error:  # pickling calls the object's own code, which raises anything
        raise MDGenError(
            f"the integrator cannot be pickled with its model, a {type(model).__name__} ({error}); give the model by "
            "name or file, or define its class in a module"
        ) from error
