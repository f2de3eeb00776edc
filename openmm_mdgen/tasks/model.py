"""What the tasks of a token network share: its weights, its range, and how it samples."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.pieces import in_pieces
from openmm_mdgen.flow.sampler import Projection, Velocity, integrate, integrate_projected, noise
from openmm_mdgen.network.inference import prepared
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.tasks.graphs import replayed, wants_graph
from openmm_mdgen.tasks.protocols import ModelInfo, network_tasks
from openmm_mdgen.tasks.ranges import check_time
from openmm_mdgen.tokens.places import Places
from openmm_mdgen.tokens.tokens import Conditioning, Normalization

_SHOWN = 30  # letters of a sequence
STUDENT = "student"
MAX_BATCH = 16_384  # frames times residues in one call of the network


@dataclass(frozen=True)
class SolverConfig:
    """How noise becomes tokens, see `sampler.integrate`; 'student' is Euler's rule with the student's network."""

    solver: str = "midpoint"
    n_steps: int = 5
    warp: float = 1.0


@dataclass(frozen=True)
class PeptideModel:
    """A network over tokens of peptides.

    Attributes
    ----------
    network : VelocityNetwork
    normalization : Normalization
    name, content_hash : str
        Which weights these are.
    temperature : float
        K, of the ensemble that is sampled, see `at`.
    intervals : (float, float)
        ps between frames, smallest and largest trained.
    lengths : (int, int)
        Residues, fewest and most, caps left out.
    solver : SolverConfig
    temperatures : (float, float) or None
        K, lowest and highest that the network learned; None for ``temperature`` alone.
    student : VelocityNetwork or None
        A network that was taught to take as few steps as the 'student' solver does.
    places : Places or None
        The one molecule that it knows, where it makes the places of residues.
    """

    network: VelocityNetwork
    normalization: Normalization
    name: str
    content_hash: str
    temperature: float | None
    intervals: tuple[float, float]
    lengths: tuple[int, int]
    solver: SolverConfig = field(default_factory=SolverConfig)
    temperatures: tuple[float, float] | None = None
    student: VelocityNetwork | None = None
    places: Places | None = None

    @classmethod
    def from_model(cls, model: PeptideModel, **changes: object) -> Self:
        """This task with the weights of another one."""
        shared = {f.name: getattr(model, f.name) for f in fields(PeptideModel)}
        return cls(**shared | changes)

    def with_steps(self, n_steps: int) -> Self:
        """The same with another number of solver steps, which a student cannot take: its teacher takes them."""
        solver = (
            SolverConfig(n_steps=n_steps) if self.solver.solver == STUDENT else replace(self.solver, n_steps=n_steps)
        )
        return replace(self, solver=solver)

    @property
    def spread_temperature(self) -> float | None:
        """K that lengths and angles spread by, of a network that was told temperatures; None where it draws them so."""
        return self.temperature if self.network.config.tempered and self.places is None else None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that the weights can do."""
        return network_tasks(self.network.config.inpaints)

    @property
    def device(self) -> str:
        """Where the network runs, such as 'cpu'."""
        return str(next(self.network.parameters()).device)

    @property
    def precision(self) -> str:
        """'bfloat16' or 'float32': what the network multiplies in."""
        return "bfloat16" if has_fast_bf16(torch.device(self.device)) else "float32"

    @property
    def info(self) -> ModelInfo:
        """What the weights can do, and of what they are."""
        one = None if self.temperature is None else (self.temperature, self.temperature)
        return ModelInfo(
            name=self.name,
            tasks=self.tasks,
            content_hash=self.content_hash,
            temperatures=self.temperatures or one,
            intervals=self.intervals,
            lengths=self.lengths,
            device=self.device,
            precision=self.precision,
        )

    def at(self, temperature: float | None) -> Self:
        """This task at another temperature in K; itself for None.

        Raises
        ------
        MDGenError
            If the network did not learn that temperature.
        """
        self.info.check_temperature(temperature)
        if temperature is None or self.temperatures is None:
            return self
        return replace(self, temperature=float(temperature))

    def check(self, peptide: Peptide, interval: float) -> None:
        """Raise `MDGenError` where the peptide or the interval is outside the model's range."""
        if self.places is not None and self.places.residue_types != peptide.residue_types:
            raise MDGenError(
                f"model {self.name!r} knows one molecule, {'-'.join(self.places.residue_types)}, not "
                f"{'-'.join(peptide.residue_types)}; train one on its MD (openmm-mdgen train --molecule)"
            )
        fewest, most = self.lengths
        if not fewest <= peptide.n_residues <= most:
            raise MDGenError(
                f"{_shortened(peptide.sequence)} has {peptide.n_residues} residues, outside model {self.name!r}'s "
                f"range {fewest} to {most}; choose a shorter peptide, or train a model on your own MD (openmm-mdgen "
                "train)"
            )
        check_time("an interval", interval, self.intervals, f"model {self.name!r}")

    @torch.no_grad()
    def sample(self, told: Conditioning, seeds: list[int], condition: Projection | None = None) -> Tensor:
        """Tokens (B, T, L, C), on the CPU, of windows with this conditioning; an entry depends on its seed alone.

        Given tokens come back as the network sees them fit: put the given values in their place. With a condition,
        `sampler.integrate_projected` is the solver, and all windows go through it together.
        """
        if self.network.config.tempered:
            told = told._replace(temperature=torch.full((len(seeds),), float(self.temperature or 0)))
        size = max(1, MAX_BATCH // (told.given.shape[1] * told.given.shape[2])) if condition is None else len(seeds)
        return in_pieces(lambda part: self._sample(told.part(part), seeds[part], condition), len(seeds), size)

    def _sample(self, told: Conditioning, seeds: list[int], condition: Projection | None) -> Tensor:
        device, solver, network = torch.device(self.device), self.solver, self.network
        if solver.solver == STUDENT and condition is None and self.student is not None:
            solver, network = replace(solver, solver="euler"), self.student
        shape = (*told.given.shape, network.config.channels)
        x_0 = (noise(shape, seeds) * told.exists.unsqueeze(1)).to(device)
        told = told.to(device)
        if condition is not None:  # in float32: repeated steps would magnify the rounding of bf16
            return integrate_projected(_velocity(network, told), x_0, condition).cpu()
        steps = partial(integrate, solver=solver.solver, n_steps=solver.n_steps, warp=solver.warp)
        fast = prepared(network, told, getattr(torch, self.precision))
        if fast is not None:
            return steps(fast.told(told), x_0)
        solve, inputs = partial(_solve, network, steps), (x_0, *told)
        if wants_graph(inputs, solver.solver):
            return replayed(network, (solver, self.precision), solve, inputs).cpu()
        return solve(*inputs).cpu()


def _velocity(network: VelocityNetwork, told: Conditioning) -> Velocity:
    def velocity(x: Tensor, t: Tensor) -> Tensor:
        out: Tensor = network(x, t, told).float()
        return out

    return velocity


def _solve(
    network: VelocityNetwork, steps: Callable[[Velocity, Tensor], Tensor], x_0: Tensor, *told: Tensor | None
) -> Tensor:
    """Noise to tokens in the precision of inference, without leaving the device."""
    with inference_precision(x_0.device):
        return steps(_velocity(network, Conditioning(*told)), x_0)  # type: ignore[arg-type]  # as they came


def _shortened(sequence: str) -> str:
    """A sequence that fits into a line."""
    return sequence if len(sequence) <= _SHOWN else f"{sequence[:_SHOWN]}..."


def inference_precision(device: torch.device) -> torch.autocast:
    """bf16 where the hardware multiplies it fast, else float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bf16(device))


@cache
def has_fast_bf16(device: torch.device) -> bool:
    """Whether this device multiplies bf16 faster than float32.

    Of CPUs, those with AMX do, and AMD's with AVX-512 bf16 (140 against 45 GFLOP/s for a core that was measured).
    Intel's without AMX have the same instruction at half of float32's speed (75 against 140 GFLOP/s), so the flag
    alone does not tell. A rule and no timing, so that all processes on a machine make the same frames.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # below, bf16 is emulated
    if device.type != "cpu":
        return False
    if _cpu_has("_is_amx_tile_supported"):
        return True
    return _cpu_has("_is_avx512_bf16_supported") and "AuthenticAMD" in _cpu_description()


def _cpu_has(question: str) -> bool:
    return bool(getattr(torch.cpu, question, lambda: False)())


def _cpu_description() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else platform.processor()
