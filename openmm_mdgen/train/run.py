"""A training run from folders of MD to a weights file: resumable, deterministic under its seed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.train.cache import Cache, open_cache
from openmm_mdgen.train.course import Course
from openmm_mdgen.train.fabric import build_fabric
from openmm_mdgen.train.feed import draw_ahead, to_device
from openmm_mdgen.train.flow import (
    TrainingLoss,
    build_optimizers,
    compile_blocks,
    flow_loss,
    rate_factor,
    set_rate,
    update_average,
)
from openmm_mdgen.train.windows import Batch, Coverage, Drawn, TrainingTask, WindowConfig, extent
from openmm_mdgen.weights.checkpoint import Weights, load_weights, save_weights
from openmm_mdgen.weights.header import VELOCITY
from openmm_mdgen.weights.tensor_file import check_free

if TYPE_CHECKING:
    from lightning.fabric import Fabric

N_VALIDATION = 24
VALIDATION_TOKENS = 8192  # of a batch at most, so that held-out losses of runs with other batches compare
WARMUP = 100


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run, apart from the data.

    Attributes
    ----------
    n_steps : int
        Optimizer steps in all.
    minutes : float or None
        Time after which the run ends, if the steps have not ended it; the rate falls in time for either.
    every : int
        Steps between checkpoints, validations and exports: what a killed run can lose.
    patience : int or None
        Validations without a lower loss after which the run ends.
    muon_rate, adamw_rate : float
        Peak learning rates of the matrices inside the blocks and of everything else.
    decay : float
        Share of the steps over which the rate falls to zero.
    ema : float
        Decay per step of the moving average that is exported.
    hidden_neighbours : float
        Share of residues that are not told their neighbours, against learning sequences by heart.
    precision : str
        Lightning's name; 'auto' takes bf16 where the hardware has it.
    temperature : float or None
        K, of trajectories that no ``temperatures.csv`` names.
    workers : int
        Processes that draw batches beside the one that trains; 0 where it draws them itself.
    compiled : bool
        Whether the blocks of the network are compiled first (``torch.compile``), which pays on a GPU.
    """

    network: VelocityConfig = field(default_factory=VelocityConfig)
    windows: TrainingTask = field(default_factory=WindowConfig)
    n_steps: int = 10_000
    minutes: float | None = None
    every: int = 250
    patience: int | None = None
    muon_rate: float = 2e-3
    adamw_rate: float = 1e-3
    decay: float = 0.4
    ema: float = 0.999
    hidden_neighbours: float = 0.0
    seed: int = 0
    precision: str = "auto"
    accelerator: str = "auto"
    devices: str = "auto"
    n_nodes: int = 1
    temperature: float | None = None
    workers: int = 0
    compiled: bool = False
    name: str = "model"


def train(
    data: Sequence[Path],
    validation: Sequence[Path],
    out: Path,
    config: TrainConfig,
    *,
    init: str | None = None,
    stride: int = 1,
) -> Path:
    """Train, or go on with, the run in folder ``out``.

    Parameters
    ----------
    data, validation : sequence of Path
        Folders of MD, see `build_cache`; without validation the training data are validated on.
    out : Path
        Gets ``cache/``, ``last.ckpt``, ``model.safetensors``, ``losses.csv`` and ``losses.png``.
    config : TrainConfig
    init : str, optional
        Name or path of weights to start from; their network shape and normalisation are kept, and the new weights
        state the range of both.
    stride : int
        Keep every stride-th frame of the data.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    MDGenError
        When there is nothing to train on, when ``out`` holds a cache of other data or weights that guess
        identities, or Lightning is not installed.
    """
    check_free(out / "model.safetensors", VELOCITY)
    fabric = _fabric(config)
    cache, held_out = _caches(fabric, data, validation, out / "cache", stride, config.temperature)
    start = load_weights(init) if init else None
    if start is not None:
        _check_task(start, config)
        start = config.windows.adopted(start, cache)
        shape = replace(config.windows.shape(start.config), tempered=_tempered(start, cache))
        start = with_temperature(start) if shape.tempered and not start.config.tempered else start
        config = replace(config, network=shape)
    else:
        config = replace(config, network=replace(config.network, tempered=_tempered(None, cache)))
    tables = start.tables if start is not None else config.windows.tables(cache)
    fabric.seed_everything(config.seed, verbose=False)
    network = VelocityNetwork(config.network)
    if start is not None:
        network.load_state_dict(network.state_dict() | start.state)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizers = build_optimizers(network, config.muon_rate, config.adamw_rate)
    if config.compiled:
        compile_blocks(network)
    windows = config.windows.windows(cache, tables)
    loss, *optimizers = fabric.setup(
        TrainingLoss(network, windows.channel_weight, config.hidden_neighbours), *optimizers
    )
    run = _Run(fabric, config, network, loss, average.to(fabric.device), optimizers, tables, out, start)
    run.resume()
    run.fit(windows, config.windows.windows(held_out, tables))
    return out / "model.safetensors"


def _fabric(config: TrainConfig) -> Fabric:
    """With parameters that wait for batches that inpaint."""
    return build_fabric(config.accelerator, config.devices, config.n_nodes, config.precision, unused_parameters=True)


def _check_task(start: Weights, config: TrainConfig) -> None:
    task = config.windows.task
    if start.task != task:
        raise MDGenError(f"--init names a model for {start.task!r}, not {task!r}; choose --task {start.task}")


def _tempered(start: Weights | None, cache: Cache) -> bool:
    """Whether the network is, or is to be, told the temperature: where data and weights together have several."""
    known = {round(segment.temperature) for segment in cache.segments}
    if start is not None:
        known |= {round(k) for k in start.temperatures or (start.temperature,)}
    return len(known) > 1 or (start is not None and start.config.tempered)


def with_temperature(start: Weights) -> Weights:
    """Weights of one temperature as those of a network that is told it, and does not heed it yet."""
    first = start.state["condition.0.weight"]
    state = start.state | {"condition.0.weight": torch.cat((first, first.new_zeros(len(first), 64)), 1)}
    return replace(start, config=replace(start.config, tempered=True), state=state)


def _caches(
    fabric: Fabric,
    data: Sequence[Path],
    validation: Sequence[Path],
    folder: Path,
    stride: int,
    temperature: float | None,
) -> tuple[Cache, Cache]:
    wanted = {"train": data, "validation": validation}
    for name, folders in wanted.items():
        if not folders or not fabric.is_global_zero:
            continue
        open_cache(folders, folder / name, stride=stride, temperature=temperature)
    fabric.barrier()
    cache = Cache(folder / "train")
    return cache, Cache(folder / "validation") if validation else cache


class _Run:
    """The state of a run and its loop."""

    def __init__(
        self,
        fabric: Fabric,
        config: TrainConfig,
        network: nn.Module,
        loss: nn.Module,
        average: nn.Module,
        optimizers: list[Optimizer],
        tables: dict[str, Tensor],
        out: Path,
        start: Weights | None = None,
    ) -> None:
        self.fabric, self.config, self.network, self.loss, self.average = fabric, config, network, loss, average
        self.optimizers, self.tables, self.out, self.start = optimizers, tables, out, start
        self.course = Course(fabric, config, out)
        self._parts = {"network": network, **{f"optimizer_{k}": o for k, o in enumerate(optimizers)}}

    def resume(self) -> None:
        """Take up ``last.ckpt`` where there is one."""
        self.course.resume(self._parts, self.average)

    def fit(self, windows: Drawn, held_out: Drawn) -> None:
        """Steps until the end, with a checkpoint, a validation and an export every ``every`` steps."""
        from tqdm import tqdm

        config, course = self.config, self.course
        checks = [to_device(held_out.draw(12345, k), self.fabric.device) for k in range(N_VALIDATION)]
        if self.start is not None:
            course.begin(lambda: self._validate(checks, held_out.channel_weight))
        began = time.monotonic()
        bar = tqdm(total=config.n_steps, initial=course.step, unit="step", disable=not self.fabric.is_global_zero)
        losses: list[Tensor] = []
        batches = draw_ahead(windows, self._numbers(), config.seed, config.workers, self.fabric.device)
        while (progress := course.progress(time.monotonic() - began)) < 1 and not course.is_stale():
            losses.append(self._one_step(next(batches), progress))
            course.step += 1
            bar.update()
            if course.step % 20 == 0:
                bar.set_postfix(loss=f"{self._mean(losses[-100:]):.4f}")
            elapsed = time.monotonic() - began
            if course.is_due(elapsed):
                began = time.monotonic()
                course.note(self._mean(losses), self._validate(checks, held_out.channel_weight), elapsed)
                losses = []
                course.save(self._parts, self.average, lambda: self._export(windows.coverage()))
        bar.close()

    def _numbers(self) -> Iterator[int]:
        """Numbers of the batches that this process trains on."""
        steps = range(self.course.step, self.config.n_steps)
        return (step * self.fabric.world_size + self.fabric.global_rank for step in steps)

    def _mean(self, losses: list[Tensor]) -> float:
        """Mean of losses; the one place that waits for the device."""
        value = float(torch.stack(losses).mean())
        if value != value:
            raise MDGenError(f"the loss is not a number at step {self.course.step}; lower --muon-rate and --adamw-rate")
        return value

    def _one_step(self, batch: Batch, progress: float) -> Tensor:
        config, fabric, step = self.config, self.fabric, self.course.step
        batch = to_device(batch, fabric.device)
        generator = torch.Generator(fabric.device if fabric.device.type == "cuda" else "cpu").manual_seed(
            (config.seed << 40) + step * fabric.world_size + fabric.global_rank
        )
        loss = self.loss(lambda: (batch, generator))
        fabric.backward(loss)
        fabric.clip_gradients(self.network, self.optimizers[0], max_norm=1.0)
        done = progress * config.n_steps
        set_rate(self.optimizers, min(rate_factor(done, config.n_steps, 1, config.decay), (step + 1) / WARMUP))
        for optimizer in self.optimizers:
            optimizer.step()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        update_average(self.average, self.network, step, config.ema)
        out: Tensor = loss.detach()
        return out

    @torch.no_grad()
    def _validate(self, batches: list[Batch], channel_weight: Tensor) -> float:
        total = 0.0
        for k, batch in enumerate(batches):
            with self.fabric.autocast():
                total += float(flow_loss(self.average, batch, torch.Generator().manual_seed(k), channel_weight))
        return total / len(batches)

    def _about(self) -> dict[str, Any]:
        """What the weights say of the run."""
        start = self.start
        init = {} if start is None else {"init": {"name": start.name, "content_hash": start.content_hash}}
        hours = round(self.course.seconds / 3600, 3)
        return {"steps": self.course.step, "hours": hours, "windows": self.config.windows.about()} | init

    def _export(self, coverage: Coverage) -> None:
        """The weights, and the losses as a picture."""
        weights = Weights(
            config=self.config.network,
            state=self.average.state_dict(),
            tables=self.tables,
            task=self.config.windows.task,
            name=self.config.name,
            temperature=default_temperature(coverage.temperatures),
            **asdict(coverage if self.start is None else united(coverage, self.start)),
            training=self._about(),
        )
        save_weights(self.out / "model.safetensors", weights)
        draw_losses(self.course.losses, self.out / "losses.png")


def united(coverage: Coverage, start: Weights) -> Coverage:
    """Ranges that hold the data's and those of the weights that a run started from; of one molecule only the former."""
    if start.config.places:
        return coverage
    return Coverage(
        lengths=extent((*coverage.lengths, *start.lengths)),
        intervals=extent((*coverage.intervals, *start.intervals)),
        temperatures=extent((*coverage.temperatures, *(start.temperatures or (start.temperature,)))),
        spacings=extent(both) if (both := (*coverage.spacings, *start.spacings)) else (),
    )


def default_temperature(temperatures: tuple[float, float]) -> float:
    """K that is sampled where none is asked for: 350 where it was trained, else the nearest that was."""
    low, high = temperatures
    return min(max(350.0, low), high)


def draw_losses(losses: Sequence[tuple[int, float, float, float]], path: Path) -> None:
    """Training and validation loss against the step, as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps, train_loss, validation, _ = zip(*losses, strict=True)
    axes.plot(steps, train_loss, color="#0072B2", label="training")
    axes.plot(steps, validation, color="#D55E00", label="validation (moving average)")
    axes.set(xlabel="step", ylabel="flow-matching loss")
    axes.legend(frameon=False)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=130)
