"""How far a run of training has come: steps and time, its losses, its checkpoint; every loop keeps one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.files.tables import write_csv

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Ends(Protocol):
    """When a run is over and how often it looks back: what its settings say.

    Attributes
    ----------
    n_steps : int
        Steps at most.
    minutes : float or None
        Time at most, over all its processes one after the other.
    every : int
        Steps between validations.
    patience : int or None
        Validations without a lower loss after which it ends.
    """

    @property
    def n_steps(self) -> int: ...
    @property
    def minutes(self) -> float | None: ...
    @property
    def every(self) -> int: ...
    @property
    def patience(self) -> int | None: ...


class Course:
    """The course of a run in a folder.

    Attributes
    ----------
    step : int
        Steps done.
    seconds : float
        Time that the losses noted last were reached after.
    losses : list of (step, training, validation, seconds)
        Where weights were started from, the first row is theirs: step 0, without a training loss (nan).
    """

    def __init__(self, fabric: Fabric, ends: Ends, out: Path) -> None:
        self.fabric, self.ends, self.out = fabric, ends, out
        self.step, self.seconds = 0, 0.0
        self.losses: list[tuple[int, float, float, float]] = []

    def progress(self, elapsed: float = 0.0) -> float:
        """How much of the run is done, by steps or by time (s since the last note), whichever is further."""
        minutes = self.ends.minutes
        by_time = (self.seconds + elapsed) / (60 * minutes) if minutes else 0.0
        return max(self.step / self.ends.n_steps, by_time)

    def is_due(self, elapsed: float) -> bool:
        """Whether losses are to be noted after this step: at every validation and at the end."""
        return self.step % self.ends.every == 0 or self.progress(elapsed) >= 1

    def is_stale(self) -> bool:
        """Whether the validation loss has not fallen for as long as is waited for."""
        seen = [validation for _, _, validation, _ in self.losses]
        patience = self.ends.patience
        return patience is not None and len(seen) > patience and min(seen[-patience:]) >= min(seen[:-patience])

    def begin(self, validate: Callable[[], float]) -> None:
        """Note and print the validation loss of the weights that a run starts from, before its first step."""
        if self.step == 0 and not self.losses:
            loss = validate()
            self.note(math.nan, loss, 0.0)
            self.fabric.print(f"validation loss of the weights to start from: {loss:.4f}")

    def note(self, training: float, validation: float, elapsed: float) -> None:
        """Losses at this step, seconds after the last ones."""
        self.seconds += elapsed
        self.losses.append((self.step, training, validation, self.seconds))

    def resume(self, parts: Mapping[str, object], average: nn.Module) -> None:
        """Take up ``last.ckpt`` where there is one: networks and optimizers by name, the moving average."""
        path = self.out / "last.ckpt"
        if not path.exists():
            return
        state = self._state(parts)
        rest = self.fabric.load(path, state)
        average.load_state_dict(rest.pop("average"))
        self.step, self.seconds = state["step"], state["seconds"]
        self.losses = [tuple(row) for row in state["losses"]]
        self.fabric.print(f"resuming at step {self.step} of {self.ends.n_steps}")

    def save(self, parts: Mapping[str, object], average: nn.Module, export: Callable[[], None]) -> None:
        """Write the checkpoint, under its name last, so that a run which is over has all its files."""
        path, is_first = self.out / "last.ckpt", self.fabric.is_global_zero
        with replacing(path) if is_first else nullcontext(path) as unfinished:  # the first process alone writes
            self.fabric.save(unfinished, {**self._state(parts), "average": average.state_dict()})
            if is_first:
                self._write_losses()
                export()

    def _state(self, parts: Mapping[str, object]) -> dict[str, Any]:
        return {**parts, "step": self.step, "seconds": self.seconds, "losses": self.losses}

    def _write_losses(self) -> None:
        rows = [["" if value != value else value for value in row] for row in self.losses]
        write_csv(self.out / "losses.csv", [("step", "train", "validation", "seconds"), *rows])
