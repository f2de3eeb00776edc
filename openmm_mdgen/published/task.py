"""Published checkpoints as tasks: simulation from the first frame, upsampling between key frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.pieces import in_pieces
from openmm_mdgen.flow.sampler import integrate, noise
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.published.atoms import PublishedAtoms, canonical_pose
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.rigids import Rigids
from openmm_mdgen.published.tokens import PublishedTokens

_LONGEST = 2000  # residues, where no positional table limits them
_GRID = 2.0**-20  # Å, to which key frames are rounded, so that a moved and turned structure gives the same tokens
_ATOL, _RTOL = 1e-6, 1e-3  # of dopri5, as published
_TASKS = {  # by what a checkpoint is for
    "simulation": "simulate",
    "interpolation": "interpolate",
    "upsampling": "upsample",
    "inpainting": "inpaint",
    "design": "design",
}
_PER_CALL = 4  # trajectories in one call of the network, with a solver of fixed steps


@dataclass(frozen=True)
class PublishedSettings:
    """What a published checkpoint is for; saved with the weights.

    Attributes
    ----------
    tokens : PublishedTokens
    n_frames : int
        Frames of a window, key frames included.
    interval : float
        ps between frames.
    temperature : float
        K, of the training data.
    solver : str
        See `openmm_mdgen.flow.sampler.integrate`. 'dopri5', as published, adapts its steps to one trajectory at a time;
        solvers of fixed steps take several trajectories at once.
    n_steps : int
        Steps of the solvers that have a fixed number.
    precision : {'float32', 'bfloat16'}
        Of the matrix products; bfloat16 where the hardware has it is faster and no longer the published arithmetic.
    """

    tokens: PublishedTokens
    n_frames: int
    interval: float
    temperature: float = 350.0
    solver: str = "dopri5"
    n_steps: int = 20
    precision: Literal["float32", "bfloat16"] = "float32"


class PublishedTask:
    """A published checkpoint behind the interfaces of a bundled model.

    Parameters
    ----------
    network : PublishedNetwork
    settings : PublishedSettings
    name, content_hash : str

    Attributes
    ----------
    intervals : tuple of float
        Smallest and largest interval in ps: the one that it was trained on, twice.
    lengths : tuple of int
        Smallest and largest number of residues.

    Examples
    --------
    >>> task = load_published("forward_sim.safetensors")
    >>> frames = task.bind(structure, interval=10.0).next_block(structure.positions, seed=1)
    """

    def __init__(self, network: PublishedNetwork, settings: PublishedSettings, name: str, content_hash: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.settings = settings
        self.name = name
        self.content_hash = content_hash
        self.temperature = settings.temperature
        self.intervals = (settings.interval, settings.interval)
        n_positions = network.config.n_positions
        self.lengths = (n_positions, n_positions) if n_positions else (1, _LONGEST)
        every = settings.tokens.given_every * settings.interval
        self.spacings = (every, every) if every else None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The task that it can do, as `openmm_mdgen.tasks.protocols.ModelInfo` names it."""
        return (_TASKS[self.purpose],)

    @property
    def device(self) -> str:
        """Where the network runs, such as 'cpu'."""
        return str(next(self.network.parameters()).device)

    @property
    def precision(self) -> str:
        """What the network multiplies in."""
        return self.settings.precision

    def bind(
        self,
        structure: Structure,
        interval: float,
        *,
        reference: np.ndarray | None = None,
        temperature: float | None = None,
    ) -> PublishedPropagator:
        """A propagator for one structure.

        Parameters
        ----------
        structure : Structure
        interval : float
            ps between frames.
        reference : numpy.ndarray, optional
            (N, 3) Å, supplies bond lengths and angles; default: the structure's positions.
        temperature : float, optional
            K; only the one of the training data.

        Raises
        ------
        MDGenError
            If the checkpoint is not one of forward simulation, or for another interval, temperature or number of
            residues.
        """
        tokens = self.settings.tokens
        if tokens.given != "first" or tokens.given_every:
            raise MDGenError(
                f"{self.name} was trained for {self.purpose}, not for simulation; choose a forward_sim checkpoint"
            )
        if temperature is not None and not np.isclose(temperature, self.temperature):
            raise MDGenError(
                f"temperature {temperature:g} K does not fit {self.name}, trained at {self.temperature:g} K; choose "
                f"temperature={self.temperature:g}"
            )
        return PublishedPropagator(self.network, self.settings, self._atoms(structure, interval, reference))

    def bind_gaps(self, structure: Structure, spacing: float, interval: float) -> PublishedGapFiller:
        """A filler of the gaps between key frames `spacing` ps apart.

        Raises
        ------
        MDGenError
            If the checkpoint is not one of upsampling, or for another interval, spacing or number of residues.
        """
        every = self.settings.tokens.given_every
        if not every:
            raise MDGenError(
                f"{self.name} was trained for {self.purpose}, not for upsampling; choose an upsampling checkpoint"
            )
        if not np.isclose(spacing, every * self.settings.interval):
            raise MDGenError(
                f"key frames {spacing:g} ps apart do not fit {self.name}, which fills gaps of exactly "
                f"{every * self.settings.interval:g} ps; choose a trajectory of that spacing"
            )
        return PublishedGapFiller(self.network, self.settings, self._atoms(structure, interval, None))

    def bind_paths(self, structure: Structure, interval: float) -> PublishedPathSampler:
        """A sampler of paths between two structures.

        Raises
        ------
        MDGenError
            If the checkpoint is not one of interpolation, or for another interval or number of residues.
        """
        if self.settings.tokens.given != "ends":
            raise MDGenError(
                f"{self.name} was trained for {self.purpose}, not for interpolation; choose an interpolation checkpoint"
            )
        return PublishedPathSampler(self.network, self.settings, self._atoms(structure, interval, None), self.name)

    @property
    def purpose(self) -> str:
        """What the checkpoint was trained for."""
        tokens = self.settings.tokens
        if tokens.designed_residues:
            return "design"
        if tokens.given_every:
            return "upsampling"
        return {"first": "simulation", "ends": "interpolation", "residues": "inpainting"}[tokens.given]

    def _atoms(self, structure: Structure, interval: float, reference: np.ndarray | None) -> PublishedAtoms:
        if not np.isclose(interval, self.settings.interval):
            raise MDGenError(
                f"interval {interval:g} ps does not fit {self.name}, trained on {self.settings.interval:g} ps; "
                f"choose interval={self.settings.interval:g}"
            )
        atoms = PublishedAtoms(structure, reference)
        low, high = self.lengths
        if not low <= atoms.n_residues <= high:
            raise MDGenError(
                f"the peptide has {atoms.n_residues} residues, {self.name} takes {low}"
                f"{'' if low == high else f' to {high}'}; choose another peptide or a bundled model"
            )
        return atoms


class PublishedPropagator:
    """Windows of forward simulation; the orientation stays that of the start.

    Parameters
    ----------
    network : PublishedNetwork
    settings : PublishedSettings
    atoms : PublishedAtoms
    """

    def __init__(self, network: PublishedNetwork, settings: PublishedSettings, atoms: PublishedAtoms) -> None:
        self.n_frames = settings.n_frames - 1  # the first frame of a window is the start
        self._sampler = _Sampler(network, settings, atoms)

    def next_block(self, start: np.ndarray, seed: int) -> np.ndarray:
        """start (N, 3) Å, seed -> (n_frames, N, 3) Å; a pure function of its arguments."""
        out: np.ndarray = self.next_blocks(start[None], [seed])[0]
        return out

    def next_blocks(self, starts: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """starts (B, N, 3) Å, one seed each -> (B, n_frames, N, 3) Å."""
        keys = starts[:, None].repeat(self.n_frames + 1, axis=1)
        return self._sampler(keys, seeds)[:, 1:]


class PublishedGapFiller:
    """Frames between key frames, each gap on its own.

    Parameters
    ----------
    network : PublishedNetwork
    settings : PublishedSettings
    atoms : PublishedAtoms

    Notes
    -----
    The published inference gives ten key frames at once and nothing after the last; here each gap has the key frame at
    either end, so that it depends on them alone and no frame is left without one behind it.
    """

    def __init__(self, network: PublishedNetwork, settings: PublishedSettings, atoms: PublishedAtoms) -> None:
        self._factor = settings.tokens.given_every
        self._sampler = _Sampler(network, settings, atoms)

    def fill(self, key_frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """key_frames (G + 1, N, 3) Å, one seed per gap -> (G, factor - 1, N, 3) Å."""
        keys = key_frames[:-1, None].repeat(self._factor + 1, axis=1)
        keys[:, -1] = key_frames[1:]
        return self._sampler(keys, seeds)[:, 1:-1]


class PublishedPathSampler:
    """Paths between two structures, as `InterpolateSampler`; a window of the trained length, with both ends given.

    Parameters
    ----------
    network : PublishedNetwork
    settings : PublishedSettings
    atoms : PublishedAtoms
    name : str
    """

    def __init__(
        self, network: PublishedNetwork, settings: PublishedSettings, atoms: PublishedAtoms, name: str
    ) -> None:
        self.name, self.n_frames, self.interval = name, settings.n_frames, settings.interval
        self._sampler = _Sampler(network, settings, atoms)

    def sample(self, keys: Mapping[int, np.ndarray], n_frames: int, seeds: Sequence[int]) -> np.ndarray:
        """keys (N, 3) Å by frame, one seed per path -> (B, n_frames, N, 3) Å; the keys are in it exactly.

        Raises
        ------
        MDGenError
            For another number of frames, or key frames elsewhere than at both ends.
        """
        if n_frames != self.n_frames or set(keys) != {0, n_frames - 1}:
            raise MDGenError(
                f"{self.name} makes paths of {self.n_frames} frames ({(self.n_frames - 1) * self.interval:g} ps) with "
                f"both ends given, and no others; {n_frames} frames and {len(keys)} key frames were asked for"
            )
        start, end = (np.asarray(keys[k], dtype=np.float64) for k in (0, n_frames - 1))
        given = np.repeat(start[None, None], len(seeds), axis=0).repeat(n_frames, axis=1)
        given[:, -1] = end
        out = self._sampler(given, seeds)
        out[:, 0], out[:, -1] = start, end
        return out


class _Sampler:
    """Trajectories (B, T, N, 3) whose given frames are set and whose others hold anything -> all frames generated."""

    def __init__(self, network: PublishedNetwork, settings: PublishedSettings, atoms: PublishedAtoms) -> None:
        self.network, self.settings, self.atoms = network, settings, atoms
        self.per_call = 1 if settings.solver == "dopri5" else _PER_CALL

    @torch.inference_mode()
    def __call__(self, keys: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        def sampled(part: slice) -> Tensor:
            return self._sample(torch.as_tensor(keys[part], dtype=torch.float64), list(seeds[part]))

        out: np.ndarray = in_pieces(sampled, len(keys), self.per_call).numpy()
        return out

    def _sample(self, keys: Tensor, seeds: list[int]) -> Tensor:
        tokens, residues = self.settings.tokens, self.atoms.residues.expand(len(keys), -1)
        n_frames = keys.shape[1]
        atom14 = self.atoms.to_atom14(keys.flatten(0, 1)).unflatten(0, (-1, n_frames))
        pose = canonical_pose(atom14[:, 0])
        placed = _move(pose.inverse(), atom14) * self.atoms.slot_mask.unsqueeze(-1)
        placed = (placed / _GRID).round() * _GRID
        encoded = tokens.encode(
            placed, residues
        )  # in float64: what is given to the network does not depend on rounding
        parameter = next(self.network.parameters())
        x_0 = noise((len(keys), n_frames, residues.shape[-1], tokens.n_channels), seeds, torch.float64)
        with torch.autocast(parameter.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            velocity = self.network.velocity(encoded.conditioning.to(parameter.device, parameter.dtype))
            x_1 = integrate(
                velocity,
                x_0.to(parameter),
                solver=self.settings.solver,
                n_steps=self.settings.n_steps,
                atol=_ATOL,
                rtol=_RTOL,
            )
        decoded = tokens.decode(x_1.cpu().double(), encoded.conditioning.first, residues)
        heavy = _move(pose, decoded).flatten(0, 1)
        out: Tensor = self.atoms.from_atom14(heavy).unflatten(0, (-1, n_frames))
        return out


def _move(motion: Rigids, atom14: Tensor) -> Tensor:
    """One motion (B) for trajectories (B, T, L, 14, 3)."""
    return motion[:, None, None, None].apply(atom14)
