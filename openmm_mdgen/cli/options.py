"""Options that several commands have, told once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import click

from openmm_mdgen.cli.quantities import Count, Time
from openmm_mdgen.cli.residues import Residues

Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]

model_option = click.option(
    "--model", default="peptide", show_default=True, help="A name of `openmm-mdgen models`, or a weights file."
)
seed_option = click.option(
    "--seed", type=Count(0), default=0, show_default=True, help="The same seed gives the same frames."
)
device_option = click.option("--device", help="cpu, cuda, mps; default: CUDA where it is present.")
steps_option = click.option("--steps", type=Count(1), help="Solver steps; default: the model's.")
temperature_option = click.option(
    "--temperature", type=float, help="K, of the ensemble, for models that learned several; default: the model's."
)
select_option = click.option("--select", help="Take these atoms only, an MDAnalysis selection such as 'protein'.")
interval_option = click.option(
    "--interval", type=Time(), default="10ps", show_default=True, help="Time between frames."
)
replicas_option = click.option(
    "--replicas", type=Count(1), default=1, show_default=True, help="Number of trajectories."
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress bar.")
topology_option = click.option(
    "-t", "--topology", type=click.Path(path_type=Path), required=True, help="Any that MDAnalysis reads."
)
trajectory_argument = click.argument("trajectory", type=click.Path(path_type=Path))


def residues_option(purpose: str) -> Decorator:
    """Residue numbers, and what becomes of them."""
    return click.option(
        "--residues", type=Residues(), required=True, help=f"Residue numbers to {purpose}, such as 2,3 or 2-4."
    )


def time_option(default: str, what: str = "each trajectory") -> Decorator:
    """A length."""
    return click.option("--time", type=Time(), default=default, show_default=True, help=f"Length of {what}.")


def output_option(default: str | None, more: str) -> Decorator:
    """The trajectory to write; ``more`` says what becomes of its name."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default=None if default is None else Path(default),
        show_default=default is not None,
        help=f"Trajectory in any format that MDAnalysis writes{more}",
    )


@dataclass(frozen=True)
class Sampling:
    """How a network is sampled; the names are those of the functions' arguments."""

    model: str
    seed: int
    temperature: float | None
    steps: int | None
    device: str | None


def sampling_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of how a network is sampled; the command gets them as one argument, ``sampling``."""

    @functools.wraps(function)
    def command(
        *, model: str, seed: int, temperature: float | None, steps: int | None, device: str | None, **rest: object
    ) -> None:
        function(sampling=Sampling(model, seed, temperature, steps, device), **rest)

    decorated: Callable[..., None] = command
    for option in (device_option, steps_option, temperature_option, seed_option, model_option):
        decorated = option(decorated)
    return decorated
