"""A training run of the published network, from folders of protein MD to a weights file; resumable."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.optim import Optimizer

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.file import load_published, save_published
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.task import PublishedSettings
from openmm_mdgen.published.tokens import EncodedTokens, PublishedTokens
from openmm_mdgen.train.course import Course
from openmm_mdgen.train.fabric import build_fabric
from openmm_mdgen.train.flow import update_average
from openmm_mdgen.train.protein_cache import ProteinCache, open_protein_cache
from openmm_mdgen.train.protein_flow import ProteinLoss, initialize, split, window_seeds
from openmm_mdgen.train.protein_windows import ProteinWindowConfig, ProteinWindows

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from lightning.fabric.wrappers import _FabricModule

_N_VALIDATION = 8
_WARMUP = 100
_VALIDATION_SEED = 12345


@dataclass(frozen=True)
class ProteinTrainConfig:
    """Everything that decides a run, apart from the data.

    Attributes
    ----------
    network : PublishedConfig
        The defaults, with no positional table, are the paper's for proteins.
    tokens : PublishedTokens
        What is given: the first frame, or both ends.
    windows : ProteinWindowConfig
    n_steps, every : int
        Steps, and steps between checkpoints, validations and exports.
    minutes : float or None
        Time after which the run ends if steps are left.
    patience : int or None
        Validations without a lower loss after which the run ends.
    decay : float
        Share of the steps, or of the time, over which the rate falls to zero.
    rate : float
        Peak learning rate of Adam.
    ema : float
        Decay per step of the moving average that is exported.
    precision, accelerator, devices, n_nodes
        Lightning's; 'auto' takes bf16 where the hardware has it.
    temperature : float
        K, of the MD.
    solver, solver_steps
        Of the weights file.
    """

    network: PublishedConfig = field(default_factory=lambda: PublishedConfig(n_positions=0, n_frames=250))
    tokens: PublishedTokens = field(default_factory=PublishedTokens)
    windows: ProteinWindowConfig = field(default_factory=ProteinWindowConfig)
    n_steps: int = 10_000
    every: int = 250
    minutes: float | None = None
    patience: int | None = None
    decay: float = 0.0
    rate: float = 1e-4
    ema: float = 0.999
    seed: int = 0
    precision: str = "auto"
    accelerator: str = "auto"
    devices: str = "auto"
    n_nodes: int = 1
    temperature: float = 300.0
    solver: str = "euler"
    solver_steps: int = 20


def train_proteins(
    data: Sequence[Path],
    validation: Sequence[Path],
    out: Path,
    config: ProteinTrainConfig,
    *,
    init: str | Path | None = None,
    stride: int = 1,
) -> Path:
    """Train, or go on with, the run in folder ``out``.

    Parameters
    ----------
    data, validation : sequence of Path
        Folders of MD; without validation the training data are validated on.
    out : Path
        Gets ``cache/``, ``last.ckpt``, ``model.safetensors`` and ``losses.csv``.
    config : ProteinTrainConfig
    init : str or Path, optional
        A published checkpoint, or what was imported or trained: its network and tokens are kept.
    stride : int
        Keep every stride-th frame of the data.

    Returns
    -------
    Path
        The weights file, which `load_published` reads.

    Raises
    ------
    MDGenError
        When there is nothing to train on, or Lightning is not installed.

    Examples
    --------
    >>> train_proteins([Path("atlas")], [], Path("run"), ProteinTrainConfig())
    """
    fabric = build_fabric(config.accelerator, config.devices, config.n_nodes, config.precision)
    network, config = _network(config, init)
    for name, folders in (("train", data), ("validation", validation)):
        if folders and fabric.is_global_zero:
            open_protein_cache(folders, out / "cache" / name, stride=stride)
    fabric.barrier()
    windows = _windows(out / "cache" / "train", config)
    held_out = _windows(out / "cache" / "validation", config) if validation else windows
    average = copy.deepcopy(network).requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=0.0)
    loss, optimizer = fabric.setup(ProteinLoss(network), optimizer)
    run = ProteinRun(fabric, config, network, loss, average.to(fabric.device), optimizer, out)
    run.resume()
    run.fit(windows, held_out, started=init is not None)
    return out / "model.safetensors"


def _windows(folder: Path, config: ProteinTrainConfig) -> ProteinWindows:
    return ProteinWindows(ProteinCache(folder), config.tokens, config.windows)


def _network(config: ProteinTrainConfig, init: str | Path | None) -> tuple[PublishedNetwork, ProteinTrainConfig]:
    """The network to train, and the configuration with what its file says."""
    if init is not None:
        task = load_published(init)
        if task.network.config.n_positions and task.network.config.n_positions != config.windows.crop:
            rows = task.network.config.n_positions
            config = replace(config, windows=replace(config.windows, crop=rows))
        network = task.network.requires_grad_(True).train()
        return network, replace(config, network=network.config, tokens=task.settings.tokens)
    ends = config.tokens.key_frames
    shape = replace(config.network, n_given=config.tokens.n_given, key_frames=ends, n_frames=config.windows.n_frames)
    network = PublishedNetwork(shape)
    initialize(network, config.seed)
    return network, replace(config, network=shape)


class ProteinRun:
    """The state of a run and its loop."""

    def __init__(
        self,
        fabric: Fabric,
        config: ProteinTrainConfig,
        network: PublishedNetwork,
        loss: _FabricModule,
        average: PublishedNetwork,
        optimizer: Optimizer,
        out: Path,
    ) -> None:
        self.fabric, self.config, self.network, self.loss, self.average = fabric, config, network, loss, average
        self.optimizer, self.out = optimizer, out
        self.size = config.windows.batch
        self.course = Course(fabric, config, out)
        self._parts = {"network": network, "optimizer": optimizer}

    def resume(self) -> None:
        """Take up ``last.ckpt`` where there is one."""
        self.course.resume(self._parts, self.average)

    def fit(self, windows: ProteinWindows, held_out: ProteinWindows, *, started: bool = False) -> None:
        """Steps until the end, with a checkpoint, a validation and an export every ``every`` steps.

        Where it ``started`` from weights, their own validation loss comes first.
        """
        from tqdm import tqdm

        course = self.course
        if started:
            course.begin(lambda: self._validate(held_out))
        losses, began = [], time.monotonic()
        bar = tqdm(total=self.config.n_steps, initial=course.step, unit="step", disable=not self.fabric.is_global_zero)
        for batch in self._ahead(windows):
            losses.append(self._one_step(batch, course.progress(time.monotonic() - began)))
            course.step += 1
            bar.update()
            bar.set_postfix(loss=f"{sum(losses[-100:]) / len(losses[-100:]):.4f}")
            elapsed = time.monotonic() - began
            if course.is_due(elapsed):
                began = time.monotonic()
                course.note(sum(losses) / len(losses), self._validate(held_out), elapsed)
                losses = []
                course.save(self._parts, self.average, self._export)
            if course.progress() >= 1 or course.is_stale():
                break
        bar.close()

    def _ahead(self, windows: ProteinWindows) -> Iterator[EncodedTokens]:
        """The batches left, each drawn while the one before it is trained on."""
        fabric, seed = self.fabric, self.config.seed

        def draw(step: int) -> EncodedTokens:
            return windows.draw(seed, step, fabric.global_rank, fabric.world_size)

        with ThreadPoolExecutor(1) as pool:
            steps = range(self.course.step, self.config.n_steps)
            following: Future[EncodedTokens] | None = pool.submit(draw, steps[0]) if steps else None
            for step in steps:
                assert following is not None
                batch = following.result()
                following = pool.submit(draw, step + 1) if step + 1 < self.config.n_steps else None
                yield batch

    def _one_step(self, batch: EncodedTokens, progress: float) -> float:
        config, fabric, step = self.config, self.fabric, self.course.step
        for group in self.optimizer.param_groups:
            falling = (1 - progress) / config.decay if config.decay else 1.0
            group["lr"] = config.rate * max(0.0, min(1.0, (step + 1) / _WARMUP, falling))
        numbers = range(fabric.global_rank, config.windows.batch, fabric.world_size)
        value = self._backward(batch, window_seeds(config.seed, step, numbers))
        fabric.clip_gradients(self.loss, self.optimizer, max_norm=1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        update_average(self.average, self.network, step, config.ema)
        if value != value:
            raise MDGenError(f"the loss is not a number at step {step}; lower --adamw-rate")
        return value

    def _backward(self, batch: EncodedTokens, seeds: list[int]) -> float:
        """Gradients of a batch, in smaller pieces where it does not fit the GPU's memory, which is said."""
        while True:
            try:
                return self._in_pieces(batch, seeds)
            except torch.cuda.OutOfMemoryError as error:
                if self.size == 1:
                    raise MDGenError(
                        f"a window of {self.config.windows.n_frames} frames and {batch.values.shape[2]} residues does "
                        "not fit the GPU's memory; lower --frames or --crop"
                    ) from error
                self.size = max(1, min(self.size, len(seeds)) // 2)
                self.optimizer.zero_grad()
                torch.cuda.empty_cache()
                self.fabric.print(f"out of memory: {self.size} windows at a time from here on, the same batch in all")

    def _in_pieces(self, batch: EncodedTokens, seeds: list[int]) -> float:
        pieces = split(batch, self.size)
        total = 0.0
        for k, piece in enumerate(pieces):
            share = len(piece.values) / len(batch.values)
            with self.fabric.no_backward_sync(self.loss, enabled=k + 1 < len(pieces)):
                own = seeds[k * self.size : k * self.size + len(piece.values)]
                loss = self.loss(lambda piece=piece, own=own: (piece, own))
                self.fabric.backward(loss * share)
            total += float(loss.detach()) * share
        return total

    @torch.no_grad()
    def _validate(self, held_out: ProteinWindows) -> float:
        """Mean loss of windows that are the same each time."""
        measured, total = ProteinLoss(self.average), 0.0
        for k in range(_N_VALIDATION):
            batch = held_out.window(_VALIDATION_SEED, 0, k)
            with self.fabric.autocast():
                seeds = window_seeds(_VALIDATION_SEED, 0, [k])
                total += float(measured(lambda batch=batch, seeds=seeds: (batch, seeds)))
        return total / _N_VALIDATION

    def _export(self) -> None:
        config = self.config
        settings = PublishedSettings(
            tokens=config.tokens,
            n_frames=config.windows.n_frames,
            interval=config.windows.interval,
            temperature=config.temperature,
            solver=config.solver,
            n_steps=config.solver_steps,
        )
        save_published(self.average, settings, self.out / "model.safetensors")
