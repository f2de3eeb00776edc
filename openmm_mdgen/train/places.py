"""Training of one molecule whose network is told, and makes, the places of its residues."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.internal import TORSIONS, InternalCoordinates
from openmm_mdgen.geometry.sidechains import heavy_bonds
from openmm_mdgen.network.velocity import VelocityConfig
from openmm_mdgen.tokens.places import N_PLACE, Places, measure_places
from openmm_mdgen.tokens.tokens import Normalization, sequence_to_indices
from openmm_mdgen.train.cache import Cache
from openmm_mdgen.train.windows import Batch, WindowBatches, WindowConfig
from openmm_mdgen.weights.checkpoint import Weights, places_of

_MOST_FRAMES = 20_000  # of which the reference is the mean
_SYMMETRIC = ("PHE", "TYR")
_CHI2 = TORSIONS.index("chi2")


@dataclass(frozen=True)
class PlacesConfig(WindowConfig):
    """Training for simulation and interpolation of one molecule, see `tokens.places`.

    Attributes
    ----------
    shaken : float
        Largest standard deviation of the disturbance of given places, in units of their spread, in as many windows
        as torsions are disturbed; the rest is `WindowConfig`'s.
    """

    shaken: float = 0.25
    perturbed: float = 0.1
    first: float = 0.5
    ends: float = 0.12
    scattered: float = 0.05
    none: float = 0.03
    history: float = 0.15
    regular: float = 0.15

    def adopted(self, start: Weights, cache: Cache) -> Weights:
        """Weights with the channels of places: of this molecule, or of a network that does not know of places yet.

        Raises
        ------
        MDGenError
            Where the data are of several molecules, or the weights of another one.
        """
        sequences = {segment.residue_types for segment in cache.segments}
        if len(sequences) > 1:
            raise MDGenError(f"the data are of {len(sequences)} molecules; places are learned of one, name its folder")
        (sequence,) = sequences
        if not start.config.places:
            return with_places(start, measured(cache))
        known = places_of(start).residue_types
        if known != sequence:
            raise MDGenError(
                f"--init names a model of {'-'.join(known)}, the data are of {'-'.join(sequence)}; start from 'peptide'"
            )
        return start

    def windows(self, cache: Cache, tables: dict[str, Tensor]) -> PlacesWindows:
        """What draws the batches."""
        return PlacesWindows(cache, tables, self)


class PlacesWindows(WindowBatches):
    """Windows whose tokens have channels of places."""

    channel_weight = torch.cat((WindowBatches.channel_weight, torch.full((N_PLACE,), 2.0)))

    def __init__(self, cache: Cache, tables: dict[str, Tensor], config: PlacesConfig) -> None:
        scale = {k: tables[k] for k in ("mean", "std")}
        super().__init__(cache, Normalization(**scale), config)
        self._shaken, self._often = config.shaken, config.perturbed
        self.places = Places(**{k: v for k, v in tables.items() if k not in scale})

    def _batch(
        self, internal: Tensor, sequence: Tensor, exists: Tensor, interval: float, rng: np.random.Generator
    ) -> Batch:
        internal = turned_rings(internal, sequence, rng)
        batch = super()._batch(internal, sequence, exists, interval, rng)
        told = batch.conditioning
        anchors = anchor_atoms(internal.flatten(0, 1).double(), self.places.residue_types)
        places = self.places.to_tokens(anchors).unflatten(0, internal.shape[:2]).float()
        amount = rng.uniform(0, self._shaken, (len(internal), 1, 1, 1)) * (
            rng.random((len(internal), 1, 1, 1)) < self._often
        )
        shake = torch.from_numpy(amount * rng.standard_normal(places.shape)).float()
        there = told.exists.new_ones(*told.exists.shape[:2], N_PLACE)
        given = told.given.unsqueeze(-1).expand_as(places)
        return replace(
            batch,
            tokens=torch.cat((batch.tokens, places), -1),
            counts=torch.cat((batch.counts, ~given), -1),
            conditioning=told._replace(
                exists=torch.cat((told.exists, there), -1), values=torch.cat((told.values, places + shake), -1)
            ),
        )


def turned_rings(internal: Tensor, sequence: Tensor, rng: np.random.Generator) -> Tensor:
    """Internal coordinates (B, T, L, 16) with half of the rings of phenylalanine and tyrosine (B, L) turned.

    Both ways are the same molecule: CD1 and CD2 are names. So a flip is learned from what either does.
    """
    turns = torch.isin(sequence, sequence_to_indices(_SYMMETRIC)) & torch.from_numpy(rng.random(sequence.shape) < 0.5)
    out = internal.clone()
    out[..., _CHI2] += math.pi * turns.unsqueeze(1)
    return out


def anchor_atoms(internal: Tensor, residue_types: tuple[str, ...]) -> Tensor:
    """One atom for each residue, (F, L, 3) in Å, of internal coordinates (F, L, 16): CA, or N of a cap without one."""
    chain = _chain(residue_types)
    return chain.decode_backbone(internal)[:, chain.anchors]


@lru_cache(maxsize=8)
def _chain(residue_types: tuple[str, ...]) -> InternalCoordinates:
    slots = [
        (residue, name)
        for residue, kind in enumerate(residue_types)
        for name in dict.fromkeys(name for bond in heavy_bonds(kind) or (("N",),) for name in bond)
    ]
    return InternalCoordinates(residue_types, {slot: k for k, slot in enumerate(slots)}, {}, len(slots))


def measured(cache: Cache) -> Places:
    """Reference and spread of the one molecule of a cache."""
    step = max(1, sum(segment.n_frames for segment in cache.segments) // _MOST_FRAMES)
    frames = np.concatenate([cache.frames(segment)[::step] for segment in cache.segments])
    types = cache.segments[0].residue_types
    return measure_places(anchor_atoms(torch.from_numpy(frames).double(), types), sequence_to_indices(types))


def with_places(start: Weights, places: Places) -> Weights:
    """Weights whose network has channels of places, and does not heed them yet; it does not inpaint."""
    old = start.config
    config = replace(old, places=len(places.sequence), channels=old.channels + N_PLACE, inpaints=False)
    state = {k: v for k, v in start.state.items() if not k.startswith("span_in.")}
    state["token_in.weight"] = _widened(state["token_in.weight"], old, config)
    for name in ("token_out.weight", "token_out.bias"):
        rows = state[name].unflatten(0, (old.patch, old.channels))
        more = rows.new_zeros(old.patch, N_PLACE, *rows.shape[2:])
        state[name] = torch.cat((rows, more), 1).flatten(0, 1)
    state["place_embedding"] = torch.zeros(config.places, config.width)
    tables = start.tables | asdict(places)
    return replace(start, config=config, state=state, tables=tables, student={}, solver=())


def _widened(weight: Tensor, old: VelocityConfig, new: VelocityConfig) -> Tensor:
    """Columns of a patch's frames: tokens, places, given tokens, given places, those held, whether given."""
    frames = weight.unflatten(1, (old.patch, -1))
    nothing = frames.new_zeros(len(frames), old.patch, N_PLACE)
    tokens, given, mask = frames.split((old.channels, old.given_channels, 1), -1)
    return torch.cat((tokens, nothing, given, nothing, nothing, mask), -1).flatten(1)
