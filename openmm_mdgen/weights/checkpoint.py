"""Weights on disk: safetensors with everything that is needed to use them, and the names by which they are found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.published.file import is_published, load_published
from openmm_mdgen.tasks.model import STUDENT, SolverConfig, has_fast_bf16
from openmm_mdgen.tasks.protocols import Model, ModelLike, known_object
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.upsample import Upsample
from openmm_mdgen.tokens.noise_colour import GapSpectra
from openmm_mdgen.tokens.places import N_PLACE, Places
from openmm_mdgen.tokens.tokens import Normalization
from openmm_mdgen.weights import identities as identity_file
from openmm_mdgen.weights.header import IDENTITIES, VELOCITY, bundled_path, registered_models
from openmm_mdgen.weights.tensor_file import read_tensors, write_tensors

_APART = 5  # intervals between the frames that models of one molecule make first
_ABOUT = ("name", "task", "temperature", "temperatures", "intervals", "spacings", "lengths", "solver", "training")


@dataclass(frozen=True)
class Weights:
    """A network's parameters and what they are good for.

    Attributes
    ----------
    config : VelocityConfig
    state : dict of str to Tensor
    tables : dict of str to Tensor
        How tokens are scaled: a `Normalization` or `GapSpectra`, by field, and `Places` of one molecule.
    name : str
    task : {'simulate', 'upsample'}
    temperature : float
        K, of the ensemble that is sampled where no other is asked for.
    temperatures : (float, float) or ()
        K, lowest and highest that the network learned; empty for ``temperature`` alone.
    intervals : (float, float)
        ps, smallest and largest interval trained.
    spacings : (float, float) or ()
        ps, smallest and largest spacing of key frames, of an upsampling network.
    lengths : (int, int)
        Residues, fewest and most, caps left out.
    solver : (str, int) or ()
        Solver and steps that the network is to be used with; empty for the task's own.
    training : dict
        What the model card says of the run.
    content_hash : str
        SHA-256 of the file that they were read from.
    student : dict of str to Tensor
        Parameters of a network of the same shape that takes few steps; may be empty.
    """

    config: VelocityConfig
    state: dict[str, Tensor]
    tables: dict[str, Tensor]
    name: str = "model"
    task: str = "simulate"
    temperature: float = 350.0
    temperatures: tuple[float, ...] = ()
    intervals: tuple[float, float] = (1.0, 100.0)
    spacings: tuple[float, ...] = ()
    lengths: tuple[int, int] = (1, 8)
    solver: tuple[Any, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    content_hash: str = ""
    student: dict[str, Tensor] = field(default_factory=dict)


def save_weights(path: Path, weights: Weights, *, dtype: torch.dtype = torch.float32) -> None:
    """Write a .safetensors file, the networks in ``dtype``; half precision halves its size."""
    tensors = {f"network.{k}": v.detach().cpu().to(dtype).contiguous() for k, v in weights.state.items()}
    tensors |= {f"student.{k}": v.detach().cpu().to(dtype).contiguous() for k, v in weights.student.items()}
    tensors |= {f"table.{k}": v.contiguous() for k, v in weights.tables.items()}
    about = {k: getattr(weights, k) for k in _ABOUT}
    metadata = {"format": VELOCITY, "config": json.dumps(asdict(weights.config)), "about": json.dumps(about)}
    write_tensors(path, tensors, metadata)


def read_weights(path: Path) -> Weights:
    """Read what `save_weights` wrote.

    Raises
    ------
    MDGenError
        If the file is missing, damaged, or not ours.
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != VELOCITY:
        guesses = metadata.get("format") == IDENTITIES
        raise MDGenError(
            f"weights file {path} is of format {metadata.get('format')!r}, not {VELOCITY!r}; "
            + ("give it to design as identities=" if guesses else "use openmm-mdgen import")
        )
    config, about = _read_metadata(metadata, path)
    state, student = (
        {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}
        for prefix in ("network.", "student.")
    )
    state = {k: v for k, v in state.items() if not k.startswith("identity_out.")}  # early files have this layer
    tables = {k.removeprefix("table."): v for k, v in tensors.items() if k.startswith("table.")}
    shape = VelocityNetwork(config).state_dict()
    check_state(shape | _empty_tables(about, config, tables), state | tables, path)
    if student or (about.get("solver") or ("",))[0] == STUDENT:
        check_state(shape, student, path)
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    return Weights(config, state, tables, **about, content_hash=content_hash, student=student)


def _read_metadata(metadata: dict[str, str], path: Path) -> tuple[VelocityConfig, dict[str, Any]]:
    """The network's shape, and what `Weights` says beside it."""
    try:
        about = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(metadata["about"]).items()}
        if not set(about) <= set(_ABOUT):
            raise ValueError(f"unknown {min(set(about) - set(_ABOUT))}")
        if about.get("task") == "upsample" and len(about.get("spacings", ())) != 2:
            raise ValueError("spacings of an upsampling model are a shortest and a longest")
        return VelocityConfig(**json.loads(metadata["config"])), about
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MDGenError(f"weights file {path} has unreadable metadata ({error}); fetch or train it again") from error


def _empty_tables(about: dict[str, Any], config: VelocityConfig, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tables of the shapes that the task needs."""
    if about.get("task") != "upsample":
        n = config.channels - (N_PLACE if config.places else 0)
        tables = {"mean": torch.empty(n), "std": torch.empty(n)}
        shapes = {"reference": (config.places, 3)} | dict.fromkeys(("spread", "weight", "sequence"), (config.places,))
        return tables | ({k: torch.empty(shape) for k, shape in shapes.items()} if config.places else {})
    shape = (*found["frequencies"].shape, 1, 1) if "frequencies" in found else (1, 1)
    pairs, bands = (max(1, n) for n in shape[:2])
    square = torch.empty(pairs, bands, config.channels, config.channels)
    return {
        "pairs": torch.empty(pairs, 2),
        "frequencies": torch.empty(pairs, bands),
        "variance": torch.empty(pairs, bands, len(TYPES), config.channels),
        "own": square,
        "before": square,
        "mean": torch.empty(len(TYPES), config.channels),
        "kept": torch.empty(config.channels),
    } | ({"temperature": torch.empty(())} if "temperature" in found else {})


def check_state(expected: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    """Missing, extra or misshaped tensors, by name."""
    wrong = [f"missing {k}" for k in expected if k not in found]
    wrong += [f"unexpected {k}" for k in found if k not in expected]
    wrong += [
        f"{k} is {tuple(found[k].shape)}, not {tuple(v.shape)}"
        for k, v in expected.items()
        if k in found and found[k].shape != v.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise MDGenError(
            f"weights file {path} does not fit its network: {'; '.join(wrong[:3])}{more}; fetch or train it again"
        )


def load_weights(name: str) -> Weights:
    """Weights by bundled name or by path."""
    bundled = bundled_path(name)
    return read_weights(bundled if bundled.exists() else Path(name))


def build_network(weights: Weights, device: torch.device | str = "cpu") -> VelocityNetwork:
    """The network with its weights, ready for use."""
    network = VelocityNetwork(weights.config)
    network.load_state_dict(weights.state)
    return network.eval().requires_grad_(False).to(device)


def for_inference(network: VelocityNetwork, device: torch.device) -> VelocityNetwork:
    """The same network with its matrices in the precision that they are multiplied in.

    Autocast would round them anew at every evaluation, to the same numbers.
    """
    if has_fast_bf16(device):
        for module in network.modules():
            if isinstance(module, torch.nn.Linear):
                module.to(torch.bfloat16)
    return network


def load_task(model: ModelLike, device: str | None = None) -> Model:
    """What a ``model=`` argument means; for one task, ask `openmm_mdgen.weights.roles`.

    Parameters
    ----------
    model : str, Path or object
        A bundled or registered name, a weights file, a loaded task, or any object with ``next_block`` or ``bind``.
    device : str, optional
        'cpu', 'cuda', 'mps'; default: CUDA where present, else the CPU.

    Returns
    -------
    Simulate, Upsample, PublishedTask or the object itself

    Raises
    ------
    MDGenError
        For an unknown name (the known ones are listed), a bad file, or a device that is absent.
    """
    if not isinstance(model, str | Path):
        return known_object(model)
    if isinstance(model, str) and model.startswith("hf://"):
        from openmm_mdgen.weights.hub import fetch

        model = fetch(model)
    path = Path(model)
    if isinstance(model, str) and path.suffix not in (".safetensors", ".ckpt"):
        return _named(model, device)
    if is_published(path):
        return load_published(path, str(choose_device(device)))
    weights = read_weights(path)
    return upsampling(weights, device) if weights.task == "upsample" else simulation(weights, device)


def _named(name: str, device: str | None) -> Model:
    known = registered_models()
    if name == identity_file.BUNDLED:
        raise MDGenError(
            f"model {name!r} makes no trajectories but guesses identities; give it to design as identities="
        )
    if name not in known:
        listed = ", ".join(known)
        raise MDGenError(f"model {name!r} is unknown; known are {listed}, or give the path of a .safetensors file")
    return load_task(known[name].load()(device), device)


def bundled_peptide(device: str | None = None) -> Simulate:
    """The model that comes with the package: 1 to 12 residues, capped or not, 280 to 450 K."""
    return simulation(read_weights(bundled_path("peptide")), device)


def bundled_peptide_0_1(device: str | None = None) -> Simulate:
    """The model of version 0.1, which recipes of that time name by its hash: 1 to 8 residues, 350 K."""
    return simulation(read_weights(bundled_path("peptide-0.1")), device)


def bundled_with_hash(content_hash: str) -> Path | None:
    """The weights that come with the package and have this SHA-256, if there are any."""
    for path in sorted(bundled_path("peptide").parent.glob("*.safetensors")):
        if hashlib.sha256(path.read_bytes()).hexdigest() == content_hash:
            return path
    return None


def simulation(weights: Weights, device: str | None = None) -> Simulate:
    """The simulation task of these weights."""
    chosen, student = choose_device(device), None
    if weights.student:
        student = for_inference(build_network(replace(weights, state=weights.student), chosen), chosen)
    return Simulate(
        network=build_network(weights, chosen),
        normalization=Normalization(weights.tables["mean"], weights.tables["std"]),
        name=weights.name,
        content_hash=weights.content_hash,
        temperature=weights.temperature,
        intervals=weights.intervals,
        lengths=weights.lengths,
        solver=SolverConfig(*weights.solver),
        temperatures=(weights.temperatures[0], weights.temperatures[1]) if weights.temperatures else None,
        student=student,
        places=places_of(weights) if weights.config.places else None,
        apart=_APART if weights.config.places else 1,
    )


def places_of(weights: Weights) -> Places:
    """The molecule that these weights hold among their tables."""
    return Places(**{f.name: weights.tables[f.name] for f in fields(Places)})


def bundled_peptide_upsample(device: str | None = None) -> Upsample:
    """The upsampling model that comes with the package."""
    return upsampling(read_weights(bundled_path("peptide-upsample")), device)


def upsampling(weights: Weights, device: str | None = None) -> Upsample:
    """The upsampling task of these weights."""
    return Upsample(
        network=build_network(weights, choose_device(device)),
        spectra=GapSpectra(**weights.tables),
        name=weights.name,
        content_hash=weights.content_hash,
        spacings=(weights.spacings[0], weights.spacings[1]),
        intervals=weights.intervals,
        lengths=weights.lengths,
        solver=SolverConfig(*weights.solver),
        temperature=weights.temperature,
        temperatures=(weights.temperatures[0], weights.temperatures[1]) if weights.temperatures else None,
    )


def choose_device(device: str | None) -> torch.device:
    """CUDA where present, else the CPU, unless one is named.

    Raises
    ------
    MDGenError
        If the named device is absent.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise MDGenError(f"device {device!r} is unknown; choose cpu, cuda or mps") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(chosen.type, False):
        raise MDGenError(f"device {device!r} is not present on this machine; choose device='cpu'")
    return chosen
