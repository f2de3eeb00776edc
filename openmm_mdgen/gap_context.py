"""What surrounds a gap: what the atoms of its key frames touch, and how the key frames around it lie.

Torsions alone do not say that a carboxylate holds an ammonium two residues away, which keeps both from turning;
contacts do, and they mean the same in a peptide that was never seen. And how far a torsion strays from one key frame to
the next, over a few of them, says how lively it is in this trajectory, whatever the sequence.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from openmm_mdgen.geometry.internal import TORSIONS
from openmm_mdgen.peptide import Peptide

REACHES = (3.3, 4.2, 5.5, 8.0)  # Å; hydrogen bonds and salt bridges, touching, second shell, same side
_WIDTHS = (0.2, 0.3, 0.5, 0.8)  # Å
_TOO_NEAR = 3  # bonds, over which geometry and not contact decides a distance
RECEIVERS = ("N", "O", "side-chain carbon", "side-chain polar")
SOURCES = ("positive", "negative", "donor", "acceptor", "carbon")
N_CONTACT = len(RECEIVERS) * len(SOURCES) * len(REACHES)
N_AROUND = 7 * len(TORSIONS) + 3
N_CONTEXT = 2 * N_CONTACT + N_AROUND

_WIDEST = 8  # gaps on either side
_LONGEST = 50.0  # ps on either side

_POSITIVE = {("LYS", "NZ"), ("ARG", "NE"), ("ARG", "NH1"), ("ARG", "NH2")}
_NEGATIVE = {("ASP", "OD1"), ("ASP", "OD2"), ("GLU", "OE1"), ("GLU", "OE2")}
_HYDROXYL = {("SER", "OG"), ("THR", "OG1"), ("TYR", "OH"), ("CYS", "SG")}


class Contacts:
    """Soft counts of which atoms lie near those of each residue.

    Parameters
    ----------
    peptide : Peptide
    bonds : list of (int, int)
        Between heavy atoms, indices of the user's atoms.

    Examples
    --------
    >>> Contacts(peptide, internal.bonds).count(positions).shape    # (F, N, 3) Å
    torch.Size([1000, 4, 80])
    """

    def __init__(self, peptide: Peptide, bonds: list[tuple[int, int]]) -> None:
        slots = list(peptide.heavy)
        self.atoms = torch.tensor([peptide.heavy[slot] for slot in slots])
        n_residues = len(peptide.residue_types)
        self._receivers = torch.zeros(n_residues, len(RECEIVERS), len(slots), dtype=torch.float64)
        self._sources = torch.zeros(len(slots), len(SOURCES), dtype=torch.float64)
        for k, (residue, name) in enumerate(slots):
            receiver = _receiver(name)
            if receiver is not None:
                self._receivers[residue, RECEIVERS.index(receiver), k] = 1
            for source in _sources(peptide, residue, name):
                self._sources[k, SOURCES.index(source)] = 1
        self._apart = _bonds_between(self.atoms.tolist(), bonds) > _TOO_NEAR

    def count(self, positions: Tensor) -> Tensor:
        """Contacts of frames.

        Parameters
        ----------
        positions : Tensor (F, N, 3)
            Å, of all atoms.

        Returns
        -------
        Tensor (F, L, 80)
            Logarithm of 1 + the number of atoms of each of `SOURCES` within each of `REACHES` of the atoms of each of
            `RECEIVERS`, rounded so that turning the molecule does not change it.
        """
        return torch.cat([self._count(part) for part in positions.double().split(64)])

    def _count(self, positions: Tensor) -> Tensor:
        heavy = positions[:, self.atoms]
        distance = (heavy[:, :, None] - heavy[:, None]).square().sum(-1).sqrt()
        found = []
        for reach, width in zip(REACHES, _WIDTHS, strict=True):
            near = torch.sigmoid((reach - distance) / width) * self._apart
            found.append(torch.einsum("lrn,fns->flrs", self._receivers, near @ self._sources))
        return (torch.stack(found, -1).flatten(2).log1p() / 1e-6).round() * 1e-6


def _receiver(name: str) -> str | None:
    if name in ("N", "CA", "C", "CH3"):
        return "N" if name == "N" else None
    if name in ("O", "OXT"):
        return "O"
    return "side-chain polar" if name[0] in "NO" else "side-chain carbon"


def _sources(peptide: Peptide, residue: int, name: str) -> tuple[str, ...]:
    kind, last = peptide.residue_types[residue], len(peptide.residue_types) - 1
    if (kind, name) in _POSITIVE or (name == "N" and residue == 0 and peptide.charged_n_terminus):
        return ("positive",)
    if (kind, name) in _NEGATIVE or (name in ("O", "OXT") and residue == last and peptide.charged_c_terminus):
        return ("negative",)
    if (kind, name) in _HYDROXYL or (kind == "HIS" and name in ("ND1", "NE2")):
        return ("donor", "acceptor")
    if name == "N" and kind == "PRO":
        return ("carbon",)
    return {"N": ("donor",), "O": ("acceptor",)}.get(name[0], ("carbon",))


def _bonds_between(atoms: list[int], bonds: list[tuple[int, int]]) -> Tensor:
    """How many bonds lie between atoms (N, N); a large number where no path is short."""
    place = {atom: k for k, atom in enumerate(atoms)}
    joined = torch.eye(len(atoms), dtype=torch.float64)
    for a, b in bonds:
        joined[place[a], place[b]] = joined[place[b], place[a]] = 1
    between = torch.full_like(joined, 99)
    reached = torch.eye(len(atoms), dtype=torch.float64)
    for n in range(_TOO_NEAR + 1):
        between = torch.where((reached > 0) & (between > n), float(n), between)
        reached = reached @ joined
    return between


def margin(spacing: float) -> int:
    """How many key frames on either side of a gap are looked at, for key frames ``spacing`` ps apart."""
    return max(1, min(_WIDEST, int(_LONGEST / spacing + 1e-6)))


def around_gaps(torsions: Tensor, own: Tensor, known: Tensor) -> Tensor:
    """How the key frames around gaps lie.

    Parameters
    ----------
    torsions : Tensor (G, K, L, 7)
        Radians, of K key frames in a row around each gap.
    own : Tensor (G,) of int
        Place of each gap's left key frame among them.
    known : Tensor (G, K) of bool
        Key frames that there are, all in a row.

    Returns
    -------
    Tensor (G, L, 52)
        Of every torsion: sine and cosine in the key frame before the gap and in the one after it, mean sine and cosine
        of all around it, root mean square of the chord from one to the next; then whether there is one before, one
        after, and the logarithm of their number. The gap's own key frames are left out.
    """
    g, k = torsions.shape[:2]
    places = torch.arange(k, device=torsions.device)
    is_own = (places == own[:, None]) | (places == own[:, None] + 1)
    point = torch.stack((torsions.sin(), torsions.cos()), -1)  # (G, K, L, 7, 2)
    others = (known & ~is_own).to(torsions)
    count = others.sum(1)
    mean = torch.einsum("gk,gklts->glts", others, point) / count.clamp_min(1)[:, None, None, None]
    chord = (point[:, 1:] - point[:, :-1]).square().sum(-1)  # (G, K - 1, L, 7)
    steps = (known[:, 1:] & known[:, :-1] & (places[:-1] != own[:, None])).to(torsions)
    moved = torch.einsum("gk,gklt->glt", steps, chord) / steps.sum(1).clamp_min(1)[:, None, None]
    rows = torch.arange(g, device=torsions.device)
    beside = []
    for at in (own - 1, own + 2):
        there = ((at >= 0) & (at < k)).to(torsions) * known[rows, at.clamp(0, k - 1)]
        beside.append((point[rows, at.clamp(0, k - 1)] * there[:, None, None, None], there))
    (before, has_before), (after, has_after) = beside
    told = torch.cat((before.flatten(-2), after.flatten(-2), mean.flatten(-2), moved.sqrt()), -1)
    about = torch.stack((has_before, has_after, count.log1p() / math.log(2 * _WIDEST)), -1)
    return torch.cat((told, about[:, None].expand(-1, torsions.shape[2], -1)), -1)


def gap_context(contacts: Tensor, around: Tensor, exists: Tensor) -> Tensor:
    """What the network is told of the surroundings of gaps (G, L, `N_CONTEXT`).

    Parameters
    ----------
    contacts : Tensor (G, 2, L, 80)
        Of both key frames.
    around : Tensor (G, L, 52)
        See `around_gaps`.
    exists : Tensor (G, L, 16) of bool
        Torsions that a residue lacks are told as zero.
    """
    n = len(TORSIONS)
    has = exists[..., :n].to(around)
    has = torch.cat((has.repeat_interleave(2, -1).repeat(1, 1, 3), has, has.new_ones(*has.shape[:-1], 3)), -1)
    return torch.cat((contacts[:, 0], contacts[:, 1], around * has), -1)
