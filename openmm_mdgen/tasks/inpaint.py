"""Inpainting: the motion of some residues is given, that of the others is generated to fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.flow.sampler import Projection, noise
from openmm_mdgen.geometry.closure import CLOSED, build_run, close_run
from openmm_mdgen.geometry.internal import CHI1, TORSIONS
from openmm_mdgen.geometry.sidechains import CAPS
from openmm_mdgen.geometry.superpose import superpose
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.atoms import PeptideAtoms
from openmm_mdgen.tasks.clashes import ClashRepair
from openmm_mdgen.tasks.model import PeptideModel
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tokens.spans import bridged_runs, released, released_channels, runs, spans
from openmm_mdgen.tokens.tokens import N_TORSIONS, changed_tokens, tokens_to_internal

_RENEWED = 1  # stands for the noise that is drawn anew, where seeds are made
_USUAL, _STRAINED = 3.0, 6.0  # standard deviations of a length or angle, before and after the last closure
_NEAR = 0.02  # Å, of closure while sampling
_SOFT = 0.06  # Å², its damping: with much less, samples magnify the rounding of the input
_QUICK = 20  # steps of closure while sampling; the last one takes what it needs


@dataclass(frozen=True)
class Inpaint(PeptideModel):
    """The inpainting task of a network: `bind_residues` binds it to a structure and the residues to make.

    Attributes
    ----------
    window : int
        Frames of a window; windows overlap by a frame, which the later one is given. The rest is `PeptideModel`'s.
    show_identities : bool
        Whether the network is shown identities and torsions of residues, and not only how the given ones lie.
    repeats : int
        Times that each step of the solver is taken where a run must end at a given residue.
    """

    window: int = 64
    show_identities: bool = True
    repeats: int = 3

    def bind_residues(
        self,
        structure: Structure,
        residues: Collection[int],
        interval: float = 10.0,
        *,
        reference: np.ndarray | None = None,
        temperature: float | None = None,
    ) -> InpaintSampler:
        """A sampler over these atoms.

        Parameters
        ----------
        structure : Structure
            One peptide.
        residues : collection of int
            Places, from 0 and caps left out, of the residues to be generated.
        interval : float
            ps between frames.
        reference : ndarray (N, 3), optional
            Å; where the generated residues' bond lengths, angles and hydrogen positions are taken from.
        temperature : float, optional
            K, see `at`.

        Raises
        ------
        MDGenError
            If the model has not learned to inpaint, the peptide or interval is outside its range, or the residues are
            none, all, or not there.
        """
        peptide = Peptide.from_structure(structure)
        self.check(peptide, interval)
        free = free_residues(peptide, residues)
        reference = structure.positions if reference is None else reference
        return InpaintSampler(self.at(temperature), peptide, free, interval, reference)

    def check(self, peptide: Peptide, interval: float) -> None:
        """Raise `MDGenError` where the model cannot inpaint, or the peptide or the interval is outside its range."""
        super().check(peptide, interval)
        if not self.network.config.inpaints:
            raise MDGenError(
                f"model {self.name!r} has not learned to inpaint; choose one that has, or train with --inpaint above 0"
            )


def free_residues(peptide: Peptide, residues: Collection[int]) -> Tensor:
    """Which of ``residue_types`` (L,) of bool are generated: the named ones, and the caps beside them.

    Raises
    ------
    MDGenError
        If none, all, or absent ones are named.
    """
    places = [k for k, t in enumerate(peptide.residue_types) if t not in CAPS]
    n = len(places)
    wrong = [r for r in residues if not 0 <= r < n]
    if wrong:
        raise MDGenError(f"residue {wrong[0] + 1} is not in {peptide.sequence}, which has {n}; choose from 1 to {n}")
    chosen = set(residues)
    if not chosen or len(chosen) == n:
        which, other = ("none", "all") if not chosen else ("all", "none")
        raise MDGenError(
            f"{which} of the {n} residues of {peptide.sequence} are to be generated and {other} given; inpainting "
            "needs at least one of each (openmm_mdgen.simulate generates all)"
        )
    free = torch.zeros(len(peptide.residue_types), dtype=torch.bool)
    free[[places[r] for r in chosen]] = True
    if places[0] > 0:
        free[0] = free[places[0]]
    if places[-1] < len(free) - 1:
        free[-1] = free[places[-1]]
    return free


class InpaintSampler:
    """Trajectories of one peptide whose given residues move as given.

    Given atoms come back exactly. Two kinds of atoms belong to a generated peptide bond and move with it: the oxygen
    of the residue before, and the hydrogen on nitrogen of the residue after a generated one.

    Attributes
    ----------
    free : Tensor (L,) of bool
        Residues that are generated.
    moved : Tensor (N,) of bool
        Atoms that are generated.
    n_kept : int
        Frames so far that could not be closed and kept the conformation of the given trajectory.
    """

    def __init__(self, task: Inpaint, peptide: Peptide, free: Tensor, interval: float, reference: np.ndarray) -> None:
        self.task, self.interval, self.free, self.n_kept = task, interval, free, 0
        self.atoms = PeptideAtoms(peptide, reference, task.normalization)
        self.amino_acids = torch.tensor([t not in CAPS for t in peptide.residue_types])
        self.moved = moved_atoms(peptide, free)
        self._channels = released_channels(free)
        self._released = released(free)
        turns = self._released.clone()
        turns[:, :CHI1] = False
        turns[:, len(TORSIONS) :] = False
        self._repair = ClashRepair(self.atoms.internal, self.atoms.decode_internal, turns=turns)
        kept = [
            peptide.heavy[k, name]
            for k in range(len(free))
            if self.amino_acids[k] and not free[k]
            for name in ("N", "CA", "C")
        ]
        self._anchors = torch.tensor(kept)

    def generate_also(self, atoms: Tensor) -> None:
        """Take these atoms (N,) of bool from the generated frames too, since nothing is known of them."""
        self.moved = self.moved | atoms

    def sample(self, frames: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        """Trajectories (B, T, N, 3) in Å, one for each seed, from the given one (T, N, 3) in Å.

        Only the given residues of ``frames`` are used.
        """
        positions = torch.as_tensor(np.array(frames), dtype=torch.float64)
        return self.sample_internal(self.atoms.internal_of(positions), positions, seeds)

    def sample_internal(self, internal: Tensor, positions: Tensor, seeds: Sequence[int]) -> np.ndarray:
        """Frames from internal coordinates (T, L, 16) and positions (T, N, 3), of which the given part is used."""
        span = spans(internal, self.free, self.amino_acids).float()
        tokens = self._tokens(internal, span, list(seeds))
        found = tokens_to_internal(tokens.double(), self.atoms.normalization)
        built = torch.where(self._released, found, internal)
        return torch.stack([self._fitted(x, internal, positions, s) for x, s in zip(built, seeds, strict=True)]).numpy()

    def _tokens(self, internal: Tensor, span: Tensor, seeds: list[int]) -> Tensor:
        """Tokens (B, T, L, C), window after window."""
        known = self.atoms.normalized(internal).float()
        values = known * ~self._channels * self.task.show_identities
        n_frames, step = len(internal), self.task.window - 1
        out = known.repeat(len(seeds), 1, 1, 1)
        for number, first in enumerate(range(0, max(n_frames - 1, 1), step)):
            last = min(first + self.task.window, n_frames)
            given_values = values[first:last].repeat(len(seeds), 1, 1, 1)
            given = (~self.free).repeat(len(seeds), last - first, 1)
            if first:
                given[:, 0] = True
                given_values[:, 0] = out[:, first] * self.task.show_identities
            conditioning = self.atoms.conditioning(
                given,
                given_values,
                self.interval,
                span[first:last].expand(len(seeds), -1, -1, -1),
                identities=self.task.show_identities,
            )
            window_seeds = [block_seed(seed, number) for seed in seeds]
            new = self.task.sample(conditioning, window_seeds, self._condition(internal[first:last], window_seeds))
            start = int(first > 0)
            out[:, first + start : last] = torch.where(self._channels, new, out[:, first:last])[:, start:]
        return out

    def _condition(self, original: Tensor, seeds: list[int]) -> Projection | None:
        """That every run between given residues is closed, in tokens (B, T, L, C); None without such runs."""
        bridges = bridged_runs(self.free, self.amino_acids)
        if not bridges:
            return None
        targets = [build_run(original, first - 1, last + 1)[:, -3:] for first, last in bridges]
        backbone = self._channels.clone()
        backbone[:, 2 * CHI1 : 2 * N_TORSIONS] = False

        def project(tokens: Tensor) -> Tensor:
            found = tokens_to_internal(tokens.cpu().double(), self.atoms.normalization)
            internal = opened = torch.where(self._released, found, original).flatten(0, 1)
            for (first, last), target in zip(bridges, targets, strict=True):
                repeated = target.repeat(len(tokens), 1, 1)
                internal, _ = close_run(
                    internal, first - 1, last + 1, repeated, max_steps=_QUICK, tolerance=_NEAR, damping=_SOFT
                )
            change = (internal - opened).unflatten(0, tokens.shape[:2]).to(tokens)
            return changed_tokens(tokens, change, self.atoms.normalization)

        def renew(x_0: Tensor, k: int) -> Tensor:
            fresh = noise(tuple(x_0.shape), [block_seed(seed, k, _RENEWED) for seed in seeds]) * self.atoms.exists
            return torch.where(backbone.to(x_0.device), fresh.to(x_0), x_0)

        return Projection(project, renew, repeats=self.task.repeats)

    def _fitted(self, internal: Tensor, original: Tensor, positions: Tensor, seed: int) -> Tensor:
        """Frames (T, N, 3) of one trajectory: runs closed, overlaps repaired, given atoms put back."""
        for first, last in bridged_runs(self.free, self.amino_acids):
            internal = self._closed(internal, original, first - 1, last + 1)
        built = self.atoms.decode_internal(internal)
        _, built = self._repair(internal, built, seed)
        built = superpose(built[:, self._anchors], positions[:, self._anchors], built)
        return torch.where(self.moved[:, None], built, positions)

    def _closed(self, internal: Tensor, original: Tensor, before: int, after: int) -> Tensor:
        """The run between two residues closed without strain; where that fails, from the frame beside.

        Where that fails too, the frame keeps the conformation that it had; ``n_kept`` counts these.
        """
        target = build_run(original, before, after)[:, -3:]
        columns = released_between(self._released, before, after)
        fitted, bad_at = self._close(internal, columns, before, after, target)
        for away in (1, -1, 2, -2):
            bad = bad_at.nonzero().flatten()
            if not len(bad):
                return fitted
            tried = torch.where(columns, fitted[(bad + away).clamp(0, len(fitted) - 1)], internal[bad])
            fitted[bad], bad_at[bad] = self._close(tried, columns, before, after, target[bad])
        bad = bad_at.nonzero().flatten()
        fitted[bad] = torch.where(columns, original[bad], internal[bad])
        self.n_kept += len(bad)
        return fitted

    def _close(
        self, internal: Tensor, columns: Tensor, before: int, after: int, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The run closed, and which frames (F,) are not, or only with bond lengths or angles that no molecule has."""
        mean, std = (
            x[2 * N_TORSIONS :].double() for x in (self.atoms.normalization.mean, self.atoms.normalization.std)
        )
        usual = internal.clone()
        usual[..., N_TORSIONS:] = internal[..., N_TORSIONS:].clamp(mean - _USUAL * std, mean + _USUAL * std)
        fitted, miss = close_run(torch.where(columns, usual, internal), before, after, target)
        strain = ((fitted[..., N_TORSIONS:] - mean) / std).abs() * columns[:, N_TORSIONS:]
        return fitted, (miss > CLOSED) | (strain.amax((-1, -2)) > _STRAINED)


def released_between(mask: Tensor, before: int, after: int) -> Tensor:
    """The part of a mask (L, 16) that belongs to the run between two residues."""
    out = torch.zeros_like(mask)
    out[before : after + 1] = mask[before : after + 1]
    return out


def moved_atoms(peptide: Peptide, free: Tensor) -> Tensor:
    """Which atoms (N,) of bool are generated when the residues free (L,) are."""
    moved = torch.zeros(peptide.n_atoms, dtype=torch.bool)
    is_before = {first - 1 for first, _ in runs(free)}
    is_after = {last + 1 for _, last in runs(free)}
    nitrogens = set()
    for (residue, name), atom in peptide.heavy.items():
        moved[atom] = bool(free[residue]) or (name == "O" and residue in is_before)
        if name == "N" and residue in is_after:
            nitrogens.add(atom)
    for hydrogen, parent in peptide.hydrogens.items():
        moved[hydrogen] = bool(moved[parent]) or parent in nitrogens
    return moved
