"""Design: which residues fit the motion of the others, and how they move.

The joint distribution is taken apart: first the identities given the motion, each position by itself, then the motion
given the identities, which is inpainting. Identities are guessed by a small model of its own, see `network.identity`,
from how the given residues lie to each other and how fast that changes: told all that is given, a network knows the
peptides of a small training set again and answers from memory.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import INTERNAL, InternalCoordinates
from openmm_mdgen.geometry.sidechains import CAPS, RESIDUES
from openmm_mdgen.peptide.matching import match_hydrogens
from openmm_mdgen.peptide.naming import ONE_LETTER
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.identity import IdentityModel
from openmm_mdgen.tasks.inpaint import Inpaint, free_residues
from openmm_mdgen.tokens.tokens import sequence_to_indices

_BACKBONE = ("omega", "phi", "psi", "N-CA", "CA-C", "C-N", "N-CA-C", "CA-C-N", "C-N-CA")
LETTERS = "".join(ONE_LETTER[name] for name in RESIDUES)  # the order of probabilities


class Ranked(NamedTuple):
    """A designed sequence, caps left out, and its probability among all of that length."""

    sequence: str
    probability: float


@dataclass(frozen=True)
class Design(Inpaint):
    """The design task of a network: `read` gives probabilities and sequences; trajectories then come from `Inpaint`.

    Attributes
    ----------
    identities : IdentityModel
        What guesses the residues. The rest is `Inpaint`'s.
    """

    identities: IdentityModel = field(kw_only=True)

    def read(self, structure: Structure, residues: Collection[int], frames: np.ndarray, interval: float) -> Guess:
        """What the given residues' motion says, from frames (T, N, 3) in Å.

        Raises
        ------
        MDGenError
            As `Inpaint.bind_residues`.
        """
        peptide = Peptide.from_structure(structure)
        self.check(peptide, interval)
        return Guess(self, peptide, free_residues(peptide, residues), frames, interval)


class Guess:
    """Identities of the residues that are designed, given the motion of the others.

    Attributes
    ----------
    places : list of int
        Of the designed residues in ``residue_types``.
    informed : ndarray (P,) of bool
        For which of them the frames say something; the others' probabilities are how often residues are in the training
        set, since nothing is learned of runs at an end of the chain or of more than two residues.
    """

    def __init__(self, task: Design, peptide: Peptide, free: Tensor, frames: np.ndarray, interval: float) -> None:
        self.peptide = peptide
        types = peptide.residue_types
        coordinates = InternalCoordinates(types, peptide.heavy, {}, peptide.n_atoms)
        internal = coordinates.encode(torch.as_tensor(np.array(frames), dtype=torch.float64))
        found, informed = task.identities.probabilities(internal, free, sequence_to_indices(types), interval)
        self.places = [k for k, t in enumerate(types) if bool(free[k]) and t not in CAPS]
        self.informed, self._found = informed[self.places].numpy(), found[self.places].numpy()

    def probabilities(self) -> np.ndarray:
        """Probabilities (P, 20) of each designed position, in the order of `LETTERS`."""
        return self._found

    def rank(self, n: int) -> list[Ranked]:
        """The n most probable sequences."""
        logs = np.log(self.probabilities())
        beam: list[tuple[str, float]] = [("", 0.0)]
        for row in logs:
            grown = [(letters + LETTERS[k], score + value) for letters, score in beam for k, value in enumerate(row)]
            beam = sorted(grown, key=lambda item: -item[1])[:n]  # exact, since positions are independent
        return [Ranked(self._whole(letters), float(np.exp(score))) for letters, score in beam]

    def _whole(self, letters: str) -> str:
        """The sequence of the chain, caps left out, with these letters in the designed places."""
        new = dict(zip(self.places, letters, strict=True))
        types = self.peptide.residue_types
        return "".join(new.get(k, "") or ONE_LETTER[t] for k, t in enumerate(types) if t not in CAPS)


class Graft(NamedTuple):
    """A designed peptide on the motion of another one: what `InpaintSampler.sample_internal` takes."""

    internal: Tensor  # (T, L, 16)
    positions: Tensor  # (T, N, 3) Å, right where atoms are given
    known: Tensor  # (N,) of bool: atoms whose positions are right


def graft(
    given: Structure, source: Peptide, frames: np.ndarray, built: Structure, designed: Peptide, free: Tensor
) -> Graft:
    """Put a designed peptide on the given residues' motion.

    Parameters
    ----------
    given, source
        The peptide that moves in ``frames`` (T, N, 3) in Å, as it is in the first.
    built, designed
        A structure of the designed one: as many residues, the same where not ``free`` (L,).
    """
    positions = torch.as_tensor(np.array(frames), dtype=torch.float64)
    shape = torch.as_tensor(np.array(built.positions), dtype=torch.float64)
    before = InternalCoordinates(source.residue_types, source.heavy, {}, source.n_atoms).encode(positions)
    after = InternalCoordinates(designed.residue_types, designed.heavy, {}, designed.n_atoms).encode(shape)
    backbone = torch.tensor([name in _BACKBONE for name in INTERNAL])
    internal = torch.where(~free[:, None] | backbone, before, after)
    known = torch.zeros(designed.n_atoms, dtype=torch.bool)
    placed = shape.repeat(len(positions), 1, 1)
    slots = [key for key in designed.heavy if not free[key[0]]]
    pairs = [(designed.heavy[key], source.heavy[key]) for key in slots]
    pairs += match_hydrogens(built, given, designed, source, slots).items()
    new, old = torch.tensor(pairs).T
    placed[:, new], known[new] = positions[:, old], True
    return Graft(internal, placed, known)
