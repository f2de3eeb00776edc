"""Frames whose atoms overlap are bent a little, or borrow side chains from the frames beside them, until they do not.

Torsions that are each likely can put two atoms into one place together. In the MD of the training set no two heavy
atoms four or more bonds apart come closer than 2.4 Å; of frames as generated, 5 to 11 % have such a pair, and 5 to 22 %
where hydrogens are counted. Changing their torsions by a few degrees is enough for most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import CHI1, OMEGA, PHI, TORSIONS, InternalCoordinates
from openmm_mdgen.tasks.parting import part_atoms

HEAVY, APOLAR, POLAR = 1.2, 0.8, 0.4  # Å, radii of heavy atoms, of hydrogens on carbon and of others: sums are limits
BENDS = (0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2, 0.3, 0.3)  # radians, standard deviations of the candidates, in turn
BORROWED = (-1, 1, -2, 2)  # frames away, whose side chains and then whose torsions are tried after that
FEW = (0.2, 0.3, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # radians, where few torsions turn: lever arms of long chains are long
TURNS = (slice(0, 2), slice(2, len(BENDS)), slice(len(BENDS), None))  # candidates that are built at once
_FRAMES, _PAIRS = 64, 2048  # whose distances are taken at once, within a core's cache
ROUNDS = 4  # of those, each from the best of the round before


Settle: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Candidates (K, B, L, 16), and of which frame (B,) they are, to candidates."""


class ClashRepair:
    """Finds and repairs overlapping atoms of one peptide, hydrogens among them where it has any.

    Radii are such that few frames of MD have a pair four or more bonds apart that is closer than their sum, with
    hydrogens placed as decoding places them.

    Parameters
    ----------
    internal : InternalCoordinates
    decode : callable
        Internal coordinates (F, L, 16) to positions (F, N, 3) in Å.
    turns : Tensor (L, 16) of bool, optional
        Which internal coordinates may be changed; default: every torsion but omega, which stays planar.
    thorough : bool
        Whether frames that overlap after all this are searched for further, and at last repeat the
        nearest frame that does not. Weights of before this was tried keep their frames without it.
    """

    def __init__(
        self,
        internal: InternalCoordinates,
        decode: Callable[[Tensor], Tensor],
        turns: Tensor | None = None,
        *,
        thorough: bool = False,
    ) -> None:
        self._decode, self._thorough = decode, thorough
        self._pairs = far_pairs(internal)
        self._scale = radii(internal)[self._pairs].sum(0).float().pow(-2).unsqueeze(1)  # of squared distances
        self._turns = free_torsions(internal) if turns is None else turns

    def room(self, frames: Tensor) -> Tensor:
        """Smallest distance (F,) of frames (F, N, 3) in Å, as a share of its limit: below 1 atoms overlap."""
        if not self._pairs.numel():
            return frames.new_full(frames.shape[:1], torch.inf)
        return torch.cat([self._room(some) for some in frames.split(_FRAMES)])

    def _room(self, frames: Tensor) -> Tensor:
        atoms = frames.permute(1, 2, 0).float().contiguous()  # (N, 3, F), so that picking rows is fast
        least = []
        for (a, b), scale in zip(self._pairs.split(_PAIRS, 1), self._scale.split(_PAIRS), strict=True):
            apart = atoms.index_select(0, a).sub_(atoms.index_select(0, b)).square_().sum(1)
            least.append(apart.mul_(scale).amin(0))
        return torch.stack(least).amin(0).sqrt_()

    def __call__(self, internal: Tensor, frames: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Repair one block.

        Parameters
        ----------
        internal : Tensor (T, L, 16)
        frames : Tensor (T, N, 3)
            Å, decoded from ``internal``.
        seed : int
            The result is a function of it and of the block.

        Returns
        -------
        internal, frames
            The same where nothing overlaps; else the first candidate that does not, or the one that overlaps least.
        """
        repaired, built = self.blocks(internal.unsqueeze(0), frames.unsqueeze(0), [seed])
        return repaired[0], built[0]

    def blocks(
        self, internal: Tensor, frames: Tensor, seeds: list[int], settle: Settle | None = None
    ) -> tuple[Tensor, Tensor]:
        """Repair blocks (B, T, L, 16) and (B, T, N, 3), all candidates built together; each as if it were alone.

        With ``settle``, side chains alone are turned first; further candidates are led back by it to what their frames
        must keep.
        """
        n_frames = internal.shape[1]
        internal, frames = internal.flatten(0, 1), frames.flatten(0, 1)
        whole = self.room(frames) >= 1
        bad = (~whole).nonzero().squeeze(-1)
        if len(bad):
            internal, frames = internal.clone(), frames.clone()
            self._repair(internal, frames, bad, whole.nonzero().squeeze(-1), n_frames, seeds, settle)
        return internal.unflatten(0, (-1, n_frames)), frames.unflatten(0, (-1, n_frames))

    def _repair(
        self,
        internal: Tensor,
        frames: Tensor,
        bad: Tensor,
        good: Tensor,
        n_frames: int,
        seeds: list[int],
        settle: Settle | None,
    ) -> None:
        """Write into frames of blocks laid end to end what overlaps less."""
        block, best = bad // n_frames, torch.zeros(len(bad))
        generators = {int(b): torch.Generator().manual_seed(seeds[int(b)]) for b in block.unique()}
        spans = {b: internal[b * n_frames : (b + 1) * n_frames] for b in generators}
        turns = self._turns if settle is None else self._turns & side_chain_torsions(self._turns)
        parts = [self._candidates(x, bad[block == b] - b * n_frames, generators[b], turns) for b, x in spans.items()]
        trials = torch.cat(parts, 1)  # (K, bad, L, 16)
        rounds = ROUNDS if settle is not None else 1
        searched = rounds + 1 if self._thorough else 0
        for number in range(len(TURNS) + searched):  # later ones for frames that still overlap
            left = (best < 1).nonzero().squeeze(-1)
            if not len(left):
                break
            if number < len(TURNS):
                some = trials[TURNS[number]][:, left]
            elif settle is None and number < len(TURNS) + rounds:
                parted = part_atoms(internal[bad[left]], self._decode, self._pairs, self._scale, self._turns)
                some = parted.unsqueeze(0)
            elif number < len(TURNS) + rounds:
                groups = [(b, left[block[left] == b]) for b in generators]
                some = torch.cat([self._few(internal[bad[rows]], generators[b]) for b, rows in groups if len(rows)], 1)
            else:
                some = self._nearest(internal, bad[left], torch.cat((good, bad[best >= 1])), n_frames)
            if settle is not None and len(TURNS) <= number < len(TURNS) + rounds:
                some = settle(some, bad[left])
            values, built, room = self._best(some)
            better = room > best[left]
            taken = left[better]
            best[taken], internal[bad[taken]], frames[bad[taken]] = room[better], values[better], built[better]

    def _few(self, now: Tensor, generator: torch.Generator) -> Tensor:
        """Candidates (K, B, L, 16) of which one torsion in six, on average, turns."""
        out = []
        for width in FEW:
            which = (torch.rand(now.shape, generator=generator) < 1 / 6) & self._turns
            out.append(now + width * torch.randn(now.shape, generator=generator, dtype=now.dtype) * which)
        return torch.stack(out)

    def _nearest(self, internal: Tensor, bad: Tensor, good: Tensor, n_frames: int) -> Tensor:
        """The nearest frame of the same block that does not overlap, as candidates (1, B, L, 16)."""
        if not len(good):
            return internal[bad].unsqueeze(0)
        apart = (good[None] - bad[:, None]).abs()
        apart = torch.where(good[None] // n_frames == bad[:, None] // n_frames, apart, len(internal))
        nearest = torch.where(apart.amin(1) < len(internal), good[apart.argmin(1)], bad)
        return internal[nearest].unsqueeze(0)

    def _best(self, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of K candidates (K, B, L, 16), the one for each of B frames, its positions and its `room`."""
        built = self._decode(candidates.flatten(0, 1))
        room, built = (x.unflatten(0, candidates.shape[:2]) for x in (self.room(built), built))
        fine = room >= 1
        chosen = torch.where(fine.any(0), fine.int().argmax(0), room.argmax(0))
        place = torch.arange(len(chosen))
        return candidates[chosen, place], built[chosen, place], room[chosen, place]

    def _candidates(self, internal: Tensor, bad: Tensor, generator: torch.Generator, turns: Tensor) -> Tensor:
        now = internal[bad]
        bends = torch.randn(len(BENDS), *now.shape, generator=generator, dtype=now.dtype)
        bends *= torch.tensor(BENDS, dtype=now.dtype)[:, None, None, None] * turns
        lent = internal[(bad + torch.tensor(BORROWED)[:, None]).clamp(0, len(internal) - 1)]
        borrowed = []
        for first in (CHI1, PHI):
            lendable = turns.clone()
            lendable[:, :first] = False
            borrowed.append(torch.where(lendable, lent, now))
        return torch.cat((now + bends, *borrowed))


def free_torsions(internal: InternalCoordinates) -> Tensor:
    """Every torsion (L, 16) that there is, but omega."""
    free = internal.exists.clone()
    free[:, len(TORSIONS) :] = False
    free[:, OMEGA] = False
    return free


def side_chain_torsions(turns: Tensor) -> Tensor:
    """The columns (L, 16) of side chains."""
    out = torch.zeros_like(turns)
    out[:, CHI1 : len(TORSIONS)] = True
    return out


def radii(internal: InternalCoordinates) -> Tensor:
    """Half of what two like atoms keep from each other (N,), in Å."""
    out = torch.full((internal.n_atoms,), HEAVY, dtype=torch.float64)
    for hydrogen, parent in internal.hydrogens.items():
        out[hydrogen] = APOLAR if parent in internal.carbons else POLAR
    return out


def far_pairs(internal: InternalCoordinates) -> Tensor:
    """Pairs (2, P) of atoms four or more bonds apart."""
    bonded = torch.eye(internal.n_atoms)
    for a, b in (*internal.bonds, *internal.hydrogens.items()):
        bonded[a, b] = bonded[b, a] = 1
    return (bonded @ bonded @ bonded == 0).triu(1).nonzero().T
