"""What a GPU makes of the networks: `python benchmarks/gpu.py --json gpu.json` prints tables, in under four minutes.

Parity with the CPU, synchronisations inside the solver's loop, generation with 1 to 1024 replicas (eager, as a CUDA
graph, compiled), upsampling, the paper's network, a training step, each with its peak of memory. It works on tokens:
neither OpenMM nor MDAnalysis is needed. Without a GPU it runs on the CPU with sizes that only show that it runs.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
if importlib.util.find_spec("MDAnalysis") is None:  # which the package's own __init__ needs, and nothing below does
    package = ModuleType("openmm_mdgen")
    package.__path__ = [str(ROOT / "openmm_mdgen")]
    sys.modules["openmm_mdgen"] = package

from paper_network import make_conditioning, make_network

from openmm_mdgen.flow.sampler import integrate, noise
from openmm_mdgen.geometry.internal import INTERNAL
from openmm_mdgen.network.velocity import VelocityNetwork
from openmm_mdgen.tasks.model import PeptideModel, has_fast_bf16, inference_precision
from openmm_mdgen.tasks.upsample import Upsample
from openmm_mdgen.tokens.gaps import N_GAP_CHANNELS, gap_values, with_motion
from openmm_mdgen.tokens.noise_colour import GapColour, chain_colour
from openmm_mdgen.tokens.tokens import N_CHANNELS, Conditioning
from openmm_mdgen.train.flow import TrainingLoss, build_optimizers
from openmm_mdgen.train.windows import Batch, WindowBatches
from openmm_mdgen.weights.checkpoint import bundled_peptide, bundled_peptide_upsample

N_RESIDUES = 4
SPACING, INTERVAL = 10.0, 0.1  # ps, of upsampling


class Bench:
    """Rows of figures, and the clock that they share.

    Parameters
    ----------
    device : torch.device
    tiny : bool
        Smallest sizes, one repeat.
    budget : float
        Seconds after which what is left is left out, and said so.
    """

    def __init__(self, device: torch.device, tiny: bool, budget: float) -> None:
        self.device, self.tiny, self.budget = device, tiny, budget
        self.began = time.perf_counter()
        self.rows: list[dict[str, Any]] = []

    @property
    def is_cuda(self) -> bool:
        """Whether there are graphs, a clock and a memory of a GPU."""
        return self.device.type == "cuda"

    def add(self, section: str, what: str, **figures: Any) -> None:
        """Keep and print one row."""
        self.rows.append({"section": section, "what": what, **figures})
        shown = ", ".join(f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items())
        print(f"| {section} | {what} | {shown} |", flush=True)

    def section(self, name: str, run: Callable[[], None]) -> None:
        """Run a section unless time is up; an error is a row and stops no other section."""
        if time.perf_counter() - self.began > self.budget:
            self.add(name, "left out", reason=f"{self.budget:g} s are over")
            return
        try:
            run()
        except (RuntimeError, ImportError, ValueError, TypeError, AttributeError) as error:
            self.add(name, "failed", reason=f"{type(error).__name__}: {str(error).splitlines()[0][:160]}")
        if self.is_cuda:
            torch.cuda.empty_cache()

    def seconds(self, call: Callable[[], object], repeats: int = 3) -> tuple[float, float]:
        """Least wall time of a call after a first one, and GB at its peak (0 on a CPU)."""
        call()
        self.wait()
        if self.is_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        best = float("inf")
        for _ in range(1 if self.tiny else repeats):
            began = time.perf_counter()
            call()
            self.wait()
            best = min(best, time.perf_counter() - began)
        return best, torch.cuda.max_memory_allocated(self.device) / 1e9 if self.is_cuda else 0.0

    def wait(self) -> None:
        """Until the device has finished."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--seconds", type=float, default=200.0, help="after these nothing new is begun (default: 200)")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    bench = Bench(device, tiny=device.type == "cpu", budget=options.seconds)
    card = torch.cuda.get_device_name(device) if bench.is_cuda else platform.processor() or platform.machine()
    bf16 = "bfloat16" if has_fast_bf16(device) else "float32"
    print(f"{card}, torch {torch.__version__}, inference in {bf16}, {torch.get_num_threads()} CPU threads\n")
    print("| section | what | figures |\n|---|---|---|")
    task, fine = bundled_peptide(str(device)).with_steps(5), bundled_peptide_upsample(str(device))
    sections: dict[str, Callable[[], None]] = {
        "parity": lambda: parity(bench, task),
        "synchronisation": lambda: synchronisations(bench, task),
        "generation": lambda: generation(bench, task),
        "upsampling": lambda: upsampling(bench, fine),
        "paper's network": lambda: paper(bench),
        "training": lambda: training(bench, task),
        "CUDA graph": lambda: graphs(bench, task),
        "compiled": lambda: compiled(bench, task),
    }
    for name, run in sections.items():
        bench.section(name, run)
    took = time.perf_counter() - bench.began
    print(f"\n{took:.0f} s in all")
    if options.json:
        about = {"device": card, "torch": torch.__version__, "inference": bf16, "seconds": took, "rows": bench.rows}
        options.json.write_text(json.dumps(about, indent=1))
    return bench.rows


def told(n: int, n_frames: int, device: torch.device | str = "cpu") -> Conditioning:
    """Conditioning of n windows of a tetrapeptide whose first frame is given."""
    generator = torch.Generator().manual_seed(1)
    given = torch.zeros(n, n_frames, N_RESIDUES, dtype=torch.bool)
    given[:, 0] = True
    return Conditioning(
        sequence=torch.tensor([15, 16, 8, 11]).expand(n, -1),
        exists=torch.ones(n, N_RESIDUES, N_CHANNELS, dtype=torch.bool),
        given=given,
        values=torch.randn(1, n_frames, N_RESIDUES, N_CHANNELS, generator=generator).expand(n, -1, -1, -1),
        interval=torch.full((n,), 10.0),
        temperature=torch.full((n,), 350.0),
    ).to(device)


def solve(task: PeptideModel, x_0: Tensor, conditioning: Conditioning) -> Tensor:
    """Noise to tokens as the task does it, without leaving the device."""
    solver = task.solver
    with torch.no_grad(), inference_precision(x_0.device):
        return integrate(
            lambda x, t: task.network(x, t, conditioning).float(),
            x_0,
            solver=solver.solver,
            n_steps=solver.n_steps,
            warp=solver.warp,
        )


def tokens_of(n: int, n_frames: int) -> Tensor:
    """Noise (n, T, L, C), the same on every machine."""
    return noise((n, n_frames, N_RESIDUES, N_CHANNELS), list(range(n)))


def parity(bench: Bench, task: PeptideModel) -> None:
    """The largest differences from float32 on the CPU, of one velocity and of a whole window."""
    n, n_frames = (1, 8) if bench.tiny else (4, 64)
    x, c, t = tokens_of(n, n_frames), told(n, n_frames), torch.full((n,), 0.5)
    network = copy.deepcopy(task.network).cpu()
    with torch.no_grad():
        expected = network(x, t, c)
        found = task.network(x.to(bench.device), t.to(bench.device), c.to(bench.device)).cpu()
        bench.add("parity", "one velocity, float32", largest=_far(found, expected), of=float(expected.std()))
        with inference_precision(bench.device):
            found = task.network(x.to(bench.device), t.to(bench.device), c.to(bench.device)).float().cpu()
        bench.add("parity", f"one velocity, {task.precision}", largest=_far(found, expected), of=float(expected.std()))
        whole = integrate(lambda x, t: network(x, t, c).float(), x, solver="midpoint", n_steps=5)
        found = integrate(
            lambda x, t: task.network(x, t, c.to(bench.device)).float(),
            x.to(bench.device),
            solver="midpoint",
            n_steps=5,
        ).cpu()
        bench.add("parity", "a window, float32", largest=_far(found, whole), median=_near(found, whole))
        found = solve(task, x.to(bench.device), c.to(bench.device)).cpu()
        bench.add("parity", f"a window, {task.precision}", largest=_far(found, whole), median=_near(found, whole))


def _far(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def _near(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().median())


def synchronisations(bench: Bench, task: PeptideModel) -> None:
    """How often the host waits for the device while a window is solved; it should never."""
    if not bench.is_cuda:
        bench.add("synchronisation", "in the solver's loop", waits="needs CUDA")
        return
    x_0, c = tokens_of(16, 64).to(bench.device), told(16, 64, bench.device)
    solve(task, x_0, c)
    with _counted_waits() as waits:
        solve(task, x_0, c)
    bench.add("synchronisation", "in the solver's loop", waits=len(waits), evaluations=2 * task.solver.n_steps)
    with _counted_waits() as waits:
        task.sample(told(16, 64), list(range(16)))
    bench.add("synchronisation", "in a block, transfers included", waits=len(waits))


@contextmanager
def _counted_waits() -> Iterator[list[Any]]:
    with warnings.catch_warnings(record=True) as caught, counting_waits():
        waits: list[Any] = []
        yield waits
    waits += [warning for warning in caught if is_wait(warning)]


@contextmanager
def counting_waits() -> Iterator[None]:
    """Every wait for the device is a warning."""
    warnings.simplefilter("always")
    torch.cuda.set_sync_debug_mode("warn")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def is_wait(warning: warnings.WarningMessage) -> bool:
    """Not torch's note, once a process, that this way of counting is a prototype."""
    return "called a synchronizing" in str(warning.message)


def generation(bench: Bench, task: PeptideModel) -> None:
    """Frames per second with more and more replicas: the network alone, and with noise and transfers."""
    n_frames = 8 if bench.tiny else 64
    for n in (1, 2) if bench.tiny else (1, 16, 256, 1024):
        c, x_0 = told(n, n_frames, bench.device), tokens_of(n, n_frames).to(bench.device)
        alone, memory = bench.seconds(lambda c=c, x_0=x_0: solve(task, x_0, c))
        here, seeds = told(n, n_frames), list(range(n))
        whole, _ = bench.seconds(lambda here=here, seeds=seeds: task.sample(here, seeds))
        made = n * (n_frames - 1)
        bench.add(
            "generation",
            f"{n} replicas x {n_frames} frames x {N_RESIDUES} residues",
            frames_per_s=made / alone,
            with_transfers=made / whole,
            ms=1000 * alone,
            GB=memory,
        )


def graphs(bench: Bench, task: PeptideModel) -> None:
    """The whole solution as one CUDA graph."""
    if not bench.is_cuda:
        bench.add("CUDA graph", "generation", frames_per_s="needs CUDA")
        return
    for n in (1, 16, 256):
        x_0, c = tokens_of(n, 64).to(bench.device), told(n, 64, bench.device)
        expected = solve(task, x_0, c)
        graph, result = captured(lambda x_0=x_0, c=c: solve(task, x_0, c))
        took, memory = bench.seconds(graph.replay)
        bench.add(
            "CUDA graph",
            f"{n} replicas x 64 frames x {N_RESIDUES} residues",
            frames_per_s=n * 63 / took,
            ms=1000 * took,
            GB=memory,
            differs=_far(result, expected),
        )


def captured(call: Callable[[], Tensor]) -> tuple[Any, Tensor]:
    """A CUDA graph of a call, and the tensor that its replays write."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = call()
    return graph, result


def compiled(bench: Bench, task: PeptideModel) -> None:
    """The blocks compiled, one after the other."""
    if not bench.is_cuda:
        bench.add("compiled", "generation", frames_per_s="needs CUDA")
        return
    network = copy.deepcopy(task.network)
    for block in network.blocks:
        block.compile()
    fast = replace(task, network=network)
    for n in (1, 256):
        x_0, c = tokens_of(n, 64).to(bench.device), told(n, 64, bench.device)
        began = time.perf_counter()
        solve(fast, x_0, c)
        bench.wait()
        first = time.perf_counter() - began
        took, _ = bench.seconds(lambda x_0=x_0, c=c: solve(fast, x_0, c))
        bench.add("compiled", f"{n} replicas x 64 frames", frames_per_s=n * 63 / took, first_s=first, ms=1000 * took)


def upsampling(bench: Bench, task: Upsample) -> None:
    """Gaps of 10 ps filled with frames every 0.1 ps."""
    n_between = round(SPACING / INTERVAL) - 1
    device, solver = bench.device, task.solver
    for n in (1,) if bench.tiny else (1, 16, 128):
        conditioning, colour = gaps(task, n, n_between)
        conditioning, colour = conditioning.to(device), colour.to(device)
        x_0 = noise((n, n_between, N_RESIDUES, N_GAP_CHANNELS), list(range(n))).to(device)

        def run(x_0: Tensor = x_0, told: Conditioning = conditioning, colour: GapColour = colour) -> Tensor:
            with torch.no_grad(), inference_precision(device):
                return integrate(
                    lambda x, t: task.network(x, t, with_motion(told, x, colour)).float(),
                    x_0,
                    solver=solver.solver,
                    n_steps=1 if bench.tiny else solver.n_steps,
                )

        took, memory = bench.seconds(run)
        bench.add("upsampling", f"{n} gaps x {n_between} frames", frames_per_s=n * n_between / took, GB=memory)


def gaps(task: Upsample, n: int, n_between: int) -> tuple[Conditioning, GapColour]:
    """What is told of n gaps of a chain whose channels all exist."""
    generator = torch.Generator().manual_seed(2)
    exists = torch.ones(N_RESIDUES, len(INTERNAL), dtype=torch.bool)
    sequence = torch.tensor([15, 16, 8, 11])
    internal = torch.randn(n + 1, N_RESIDUES, len(INTERNAL), generator=generator)
    place = gap_values(internal[:-1], internal[1:], n_between, SPACING, exists)
    conditioning = Conditioning(
        sequence=sequence.expand(n, -1),
        exists=exists.expand(n, -1, -1),
        given=torch.ones(place.shape[:3], dtype=torch.bool),
        values=place,
        interval=torch.full((n,), INTERVAL),
        temperature=torch.full((n,), 350.0),
    )
    bands = chain_colour(task.spectra, task.spectra.nearest(SPACING, INTERVAL), sequence, exists, INTERVAL)
    return conditioning, GapColour.from_bands(bands, n_between, SPACING)


def paper(bench: Bench) -> None:
    """The network of the paper's size with random weights: one evaluation, and 20 Euler steps."""
    network = make_network(False).to(bench.device)
    n_parameters = sum(p.numel() for p in network.parameters()) / 1e6
    for n, n_frames in ((1, 10),) if bench.tiny else ((1, 1000), (16, 1000)):
        conditioning = make_conditioning(n_frames, n).to(bench.device, torch.float32)
        x_0, t = torch.randn(n, n_frames, 4, 21).to(bench.device), torch.full((n,), 0.5, device=bench.device)
        for bf16 in (False, True):
            with torch.inference_mode(), torch.autocast(bench.device.type, torch.bfloat16, enabled=bf16):
                velocity = network.velocity(conditioning)
                one, memory = bench.seconds(lambda velocity=velocity, x_0=x_0, t=t: velocity(x_0, t))
                figures = {"evaluation_ms": 1000 * one, "GB": memory, "parameters_M": n_parameters}
                if not bench.tiny:
                    took, _ = bench.seconds(lambda velocity=velocity, x_0=x_0: integrate(velocity, x_0, n_steps=20), 1)
                    figures["frames_per_s_20_Euler"] = n * (n_frames - 1) / took
            name = "bfloat16" if bf16 else "float32"
            bench.add("paper's network", f"{n} x {n_frames} frames, {name}", **figures)


def training(bench: Bench, task: PeptideModel) -> None:
    """A step of training: loss, gradient, both optimizers."""
    n_frames = 8 if bench.tiny else 64
    for n in (1,) if bench.tiny else (32, 256):
        c = told(n, n_frames, bench.device)
        x = tokens_of(n, n_frames).to(bench.device)
        batch = Batch(x, c.exists.unsqueeze(1) & ~c.given.unsqueeze(-1), c)
        for bf16 in (False, True):
            network = VelocityNetwork(task.network.config)
            network.load_state_dict(task.network.state_dict())
            took, memory = bench.seconds(_training_step(network.to(bench.device), batch, bf16), 5)
            name = "bfloat16" if bf16 else "float32"
            bench.add(
                "training",
                f"{n} windows x {n_frames} frames x {N_RESIDUES} residues, {name}",
                ms=1000 * took,
                tokens_per_s=n * n_frames * N_RESIDUES / took,
                GB=memory,
            )


def _training_step(network: nn.Module, batch: Batch, bf16: bool) -> Callable[[], None]:
    loss = TrainingLoss(network, WindowBatches.channel_weight)
    optimizers = build_optimizers(network, 2e-3, 1e-3)
    device = batch.tokens.device.type
    generator = torch.Generator(device).manual_seed(0)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            value = loss(lambda: (batch, generator))
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
