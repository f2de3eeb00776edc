"""``openmm-mdgen doctor``: what a report of a fault needs to say of this installation."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.weights.header import registered_models

_REQUIRED = (
    "openmm",
    "MDAnalysis",
    "torch",
    "numpy",
    "scipy",
    "pdbfixer",
    "safetensors",
    "click",
    "matplotlib",
    "tqdm",
)
_EXTRAS = {
    "train": ("lightning",),
    "evaluate": ("deeptime", "jinja2"),
    "hub": ("huggingface_hub",),
    "dask": ("dask", "distributed"),
    "proteins": ("mdtraj",),
}
_ABSENT = "not installed"
_PLUGIN = re.compile(r"Error loading library .*?(?:lib)?([^/\\]+?)(?:\.\w+)?: (.+)")
_SIZE = 1024  # of the matrices that are multiplied
_SECONDS = 1.5  # of each measurement


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--measure", is_flag=True, help="Time matrix products and frames too, which takes some seconds.")
def command(measure: bool) -> None:
    """Print versions, devices, platforms and weights: what a report of a fault needs."""
    sections: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("openmm-mdgen", _package),
        ("packages", _packages),
        ("OpenMM platforms", _platforms),
        ("devices", _devices),
        ("bf16", _bf16),
        ("weights", _weights),
        ("models by name", _models),
    ]
    if measure:
        sections += [("matrix products", _products), ("frames per second", _frames)]
    for title, lines in sections:
        click.echo(f"{title}:")
        try:
            for line in lines():
                click.echo(f"  {line}")
        except Exception as error:  # what is broken is what the report is about: say it and go on
            click.echo(f"  broken: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _package() -> Iterator[str]:
    import openmm_mdgen

    yield f"{_version('openmm-mdgen')} in {Path(openmm_mdgen.__file__).parent}"
    yield f"Python {platform.python_version()} ({platform.python_implementation()}), {platform.platform()}"


def _packages() -> Iterator[str]:
    yield ", ".join(f"{name} {_version(name)}" for name in _REQUIRED)
    for extra, names in _EXTRAS.items():
        found = {name: _version(name) for name in names}
        remedy = f"; pip install 'openmm-mdgen[{extra}]'" if _ABSENT in found.values() else ""
        yield f"extra {extra}: " + ", ".join(f"{name} {number}" for name, number in found.items()) + remedy


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _ABSENT


def _platforms() -> Iterator[str]:
    import openmm

    names = [openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())]
    yield ", ".join(names)
    for reason, plugins in failed_plugins(openmm.Platform.getPluginLoadFailures()).items():
        yield f"not loaded, and needed for such a device alone: {', '.join(plugins)} ({reason})"


def failed_plugins(failures: Sequence[str]) -> dict[str, list[str]]:
    """Plugins by the reason for which OpenMM could not load them."""
    found = defaultdict(list)
    for failure in failures:
        line = (failure.splitlines() or [""])[0]
        match = _PLUGIN.fullmatch(line)
        found[match[2] if match else line].append(match[1] if match else "plugin")
    return dict(found)


def _devices() -> Iterator[str]:
    import torch

    yield f"cpu: {_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    for k in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(k)
        yield f"cuda:{k}: {card.name}, {card.total_memory / 2**30:.0f} GiB, capability {card.major}.{card.minor}"
    if not torch.cuda.is_available():
        yield f"cuda: none ({'no' if torch.version.cuda is None else torch.version.cuda} CUDA in this build of torch)"
    yield f"mps: {'present' if torch.backends.mps.is_available() else 'none'}"


def _processor() -> str:
    """The processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    named = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _bf16() -> Iterator[str]:
    import torch

    from openmm_mdgen.tasks.model import has_fast_bf16

    for name in ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]:
        chosen = "bfloat16" if has_fast_bf16(torch.device(name)) else "float32"
        yield f"{name}: networks multiply in {chosen}, by a rule on the processor's kind"


def _weights() -> Iterator[str]:
    from openmm_mdgen.weights.header import bundled_path

    for path in sorted(bundled_path("peptide").parent.glob("*.safetensors")):
        yield f"{path.stem}: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}, {path.stat().st_size / 1e6:.1f} MB"


def _models() -> Iterator[str]:
    points = registered_models()
    for name, point in points.items():
        yield f"{name}: {point.value}"
    if not points:
        raise MDGenError("no model is registered; install the package anew, since its entry points are missing")


def _products() -> Iterator[str]:
    """GFLOP/s of both kinds of number, on each device."""
    import torch

    for name in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for kind in (torch.float32, torch.bfloat16):
            a = torch.randn(_SIZE, _SIZE, device=name).to(kind)

            def product(a: torch.Tensor = a, name: str = name) -> None:
                a @ a
                if name == "cuda":
                    torch.cuda.synchronize()

            yield f"{name} {str(kind).removeprefix('torch.')}: {2e-9 * _SIZE**3 * _per_second(product):.0f} GFLOP/s"


def _frames() -> Iterator[str]:
    """Frames of a tetrapeptide, atoms and all, with one and with sixteen replicas."""
    import numpy as np

    from openmm_mdgen.convert.structures import topology_to_structure
    from openmm_mdgen.forcefield.build import build_peptide
    from openmm_mdgen.tasks.propagator import next_blocks
    from openmm_mdgen.weights.checkpoint import bundled_peptide

    structure = topology_to_structure(*build_peptide("AAAA"))
    task = bundled_peptide()
    propagator = task.bind(structure, 10.0)
    for n in (1, 16):
        starts, seeds = np.repeat(structure.positions[None], n, axis=0), list(range(n))
        rate = n * propagator.n_frames * _per_second(lambda s=starts, r=seeds: next_blocks(propagator, s, r))  # type: ignore[misc]
        yield f"{n} x AAAA on {task.device}: {rate:.0f} frames/s, {rate * 0.01:.1f} ns/s at 10 ps"


def _per_second(call: Callable[[], object]) -> float:
    """Calls per second, after a first one."""
    call()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < _SECONDS:
        call()
        count += 1
    return count / (time.perf_counter() - began)
