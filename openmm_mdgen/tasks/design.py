"""Design: which residues fit the motion of the others, and how they move.

The joint distribution is taken apart: first the identities given the motion, position by position, then the motion
given the identities, which is inpainting.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import INTERNAL, InternalCoordinates
from openmm_mdgen.geometry.sidechains import CAPS, RESIDUES
from openmm_mdgen.naming import ONE_LETTER
from openmm_mdgen.peptide import Peptide, Structure
from openmm_mdgen.spans import released_channels, spans
from openmm_mdgen.tasks.inpaint import Inpaint, free_residues
from openmm_mdgen.tasks.model import inference_precision
from openmm_mdgen.tokens import (
    UNKNOWN,
    Conditioning,
    internal_to_channels,
    internal_to_tokens,
    sequence_to_indices,
)

_BACKBONE = ("omega", "phi", "psi", "N-CA", "CA-C", "C-N", "N-CA-C", "CA-C-N", "C-N-CA")
LETTERS = "".join(ONE_LETTER[name] for name in RESIDUES)  # the order of probabilities


class Ranked(NamedTuple):
    """A designed sequence, caps left out, and its probability among all of that length."""

    sequence: str
    probability: float


@dataclass(frozen=True)
class Design(Inpaint):
    """The design task of a network: `probabilities` and `rank`; trajectories then come from `Inpaint`.

    Attributes
    ----------
    beam : int
        Sequences that are kept from position to position.
    """

    beam: int = 64

    def read(self, structure: Structure, residues: Collection[int], frames: np.ndarray, interval: float) -> Guess:
        """What the given residues' motion says, from frames (T, N, 3) in Å.

        Raises
        ------
        MDGenError
            As `Inpaint.bind`.
        """
        peptide = Peptide.from_structure(structure)
        self.check(peptide, interval)
        return Guess(self, peptide, free_residues(peptide, residues), frames, interval)


class Guess:
    """Identities of the residues that are designed, given the motion of the others.

    Frames are read in windows; a position's score is the mean over windows of the logarithm of its probabilities.
    """

    def __init__(self, task: Design, peptide: Peptide, free: Tensor, frames: np.ndarray, interval: float) -> None:
        self.task, self.peptide = task, peptide
        whole = torch.tensor([t not in CAPS for t in peptide.residue_types])
        self.places = (free & whole).nonzero().flatten().tolist()
        coordinates = InternalCoordinates(peptide.residue_types, peptide.heavy, {}, peptide.n_atoms)
        internal = coordinates.encode(torch.as_tensor(np.array(frames), dtype=torch.float64))
        values = internal_to_tokens(internal, coordinates.exists, task.normalization) * ~released_channels(free)
        self._sequence = sequence_to_indices(peptide.residue_types)
        window = min(task.window, len(frames))
        starts = range(0, len(frames) - window + 1, window)
        self._windows = Conditioning(
            sequence=self._sequence.expand(len(starts), -1),
            exists=internal_to_channels(coordinates.exists).expand(len(starts), -1, -1),
            given=(~free).repeat(len(starts), window, 1),
            values=torch.stack([values[k : k + window] for k in starts]).float(),
            interval=torch.full((len(starts),), interval),
            span=torch.stack([spans(internal, free, whole)[k : k + window] for k in starts]).float(),
        )

    @torch.no_grad()
    def logits(self, known: dict[int, int]) -> Tensor:
        """Log probabilities (P, 20) of the designed places in turn, ``known`` identities of places told."""
        network, device = self.task.network, torch.device(self.task.device)
        sequence = self._sequence.clone()
        for place in self.places:
            sequence[place] = known.get(place, UNKNOWN)
        told = self._windows._replace(sequence=sequence.expand(len(self._windows.sequence), -1))
        with inference_precision(device):
            found = network.identities(told.to(device)).cpu()
        return found.log_softmax(-1).mean(0).log_softmax(-1)[self.places]

    def probabilities(self) -> np.ndarray:
        """Probabilities (P, 20), each position by itself, in the order of `LETTERS`."""
        return self.logits({}).exp().double().numpy()

    def rank(self, n: int) -> list[Ranked]:
        """The n most probable sequences, by beam search along the chain: each position given the ones before it."""
        beam: list[tuple[dict[int, int], float]] = [({}, 0.0)]
        for number, place in enumerate(self.places):
            grown = []
            for known, score in beam:
                row = self.logits(known)[number].tolist()
                grown += [({**known, place: k}, score + value) for k, value in enumerate(row)]
            beam = sorted(grown, key=lambda item: -item[1])[: max(n, self.task.beam if place != self.places[-1] else n)]
        return [Ranked(self._letters(known), float(np.exp(score))) for known, score in beam[:n]]

    def _letters(self, known: dict[int, int]) -> str:
        types = self.peptide.residue_types
        return "".join(LETTERS[known[k]] if k in known else ONE_LETTER[t] for k, t in enumerate(types) if t not in CAPS)


class Graft(NamedTuple):
    """A designed peptide on the motion of another one: what `InpaintSampler.sample_internal` takes."""

    internal: Tensor  # (T, L, 16)
    positions: Tensor  # (T, N, 3) Å, right where atoms are given
    known: Tensor  # (N,) of bool: atoms whose positions are right


def graft(source: Peptide, frames: np.ndarray, designed: Peptide, reference: np.ndarray, free: Tensor) -> Graft:
    """Put a designed peptide on the given residues' motion.

    Parameters
    ----------
    source : Peptide
        The peptide that moves in ``frames`` (T, N, 3) in Å.
    designed : Peptide
        As many residues, the same where not ``free`` (L,).
    reference : ndarray (N', 3)
        Å; a structure of the designed peptide.
    """
    positions = torch.as_tensor(np.array(frames), dtype=torch.float64)
    shape = torch.as_tensor(np.array(reference), dtype=torch.float64)
    before = InternalCoordinates(source.residue_types, source.heavy, {}, source.n_atoms).encode(positions)
    after = InternalCoordinates(designed.residue_types, designed.heavy, {}, designed.n_atoms).encode(shape)
    backbone = torch.tensor([name in _BACKBONE for name in INTERNAL])
    internal = torch.where(~free[:, None] | backbone, before, after)
    known = torch.zeros(designed.n_atoms, dtype=torch.bool)
    placed = shape.repeat(len(positions), 1, 1)
    pairs = [(atom, source.heavy[key]) for key, atom in designed.heavy.items() if not free[key[0]]]
    pairs += _hydrogen_pairs(source, designed, free)
    new, old = torch.tensor(pairs).T
    placed[:, new], known[new] = positions[:, old], True
    return Graft(internal, placed, known)


def _hydrogen_pairs(source: Peptide, designed: Peptide, free: Tensor) -> list[tuple[int, int]]:
    """Hydrogens on the same heavy atoms of given residues, where both peptides have as many."""
    names = {atom: key for key, atom in designed.heavy.items()}
    pairs = []
    for parent, key in names.items():
        mine = sorted(h for h, p in designed.hydrogens.items() if p == parent)
        theirs = sorted(h for h, p in source.hydrogens.items() if p == source.heavy.get(key))
        if not free[key[0]] and len(mine) == len(theirs):
            pairs += list(zip(mine, theirs, strict=True))
    return pairs
