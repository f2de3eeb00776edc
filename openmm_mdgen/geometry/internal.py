"""Positions to internal coordinates of a chain and back: bonds between residues cannot stretch, chirality cannot flip.

Sixteen values describe a residue: seven torsions, three bond lengths of the backbone, and the six bond angles whose
fluctuation moves most atoms. Everything else (side-chain and cap geometry, chirality, hydrogens) is taken from the
user's own structure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_mdgen.geometry.building import BETA, BISECTOR, TORSION, ChainBuilder, Geometry, Layer
from openmm_mdgen.geometry.frames import bisector_frame, bond_angle, bond_length, dihedral
from openmm_mdgen.geometry.hydrogens import hydrogen_references
from openmm_mdgen.geometry.sidechains import SIDE_CHAINS, chi_atoms, heavy_bonds

TORSIONS = ("omega", "phi", "psi", "chi1", "chi2", "chi3", "chi4")
LENGTHS = ("N-CA", "CA-C", "C-N")  # C-N is the bond from the residue before
ANGLES = ("N-CA-C", "CA-C-N", "C-N-CA", "N-CA-CB", "C-CA-CB", "CA-CB-G")  # the second and third at the bond from before
INTERNAL = (*TORSIONS, *LENGTHS, *ANGLES)
OMEGA, PHI, PSI, CHI1 = 0, 1, 2, 3
_ROUNDED = 1e-9  # Å and radians, above the noise of a rotation's arithmetic


@dataclass(frozen=True)
class _Torsion:
    atom: int
    a: int
    b: int
    c: int
    slot: tuple[int, int] | None  # (residue, torsion) that turns it, or none
    angle: tuple[int, int] | None = None  # (residue, angle) that bends it, or none


@dataclass(frozen=True)
class _Beta:
    """CB, from its angles to N (slot) and to C (angle); the reference gives the side on which it lies."""

    atom: int
    a: int
    b: int
    c: int
    slot: tuple[int, int]
    angle: tuple[int, int]


@dataclass(frozen=True)
class _Bisector:
    atom: int
    a: int
    b: int
    c: int


_Placement = _Torsion | _Beta | _Bisector
_KINDS: dict[type, str] = {_Torsion: TORSION, _Beta: BETA, _Bisector: BISECTOR}
_TO_BETA = INTERNAL.index("N-CA-CB")


def _flat(slot: tuple[int, int] | None) -> int:
    return -1 if slot is None else slot[0] * len(INTERNAL) + slot[1]


class InternalCoordinates:
    """Which atoms make which internal coordinate of one peptide.

    Parameters
    ----------
    residue_types : sequence of str
        Canonical three-letter names, caps as residues of their own.
    heavy : mapping (residue, atom name) -> int
        Index of every heavy atom.
    hydrogens : mapping int -> int
        Index of the heavy atom that each hydrogen is bonded to.
    n_atoms : int

    Attributes
    ----------
    exists : Tensor (L, 16) of bool
        Which of `INTERNAL` each residue has.
    backbone : list of int
        N, CA and C along the chain.
    anchors : list of int
        For every residue, where in ``backbone`` its CA is; of a cap without one, its N.
    chain_slots : list of tuple
        Per backbone atom after the first: which length, angle and torsion place it, as (residue, number) or None.
    hydrogens : dict of int to int
        As given.
    carbons : frozenset of int
        Which of the heavy atoms are carbon.

    Examples
    --------
    >>> internal = InternalCoordinates(peptide.residue_types, peptide.heavy, peptide.hydrogens, peptide.n_atoms)
    >>> frames = internal.decode(internal.encode(frames), internal.geometry(frames[0]))
    """

    def __init__(
        self,
        residue_types: Sequence[str],
        heavy: Mapping[tuple[int, str], int],
        hydrogens: Mapping[int, int],
        n_atoms: int,
    ) -> None:
        self.residue_types = tuple(residue_types)
        self.n_atoms = n_atoms
        self.hydrogens = dict(hydrogens)
        self.carbons = frozenset(i for (_, name), i in heavy.items() if name.startswith("C"))
        self._atoms = [
            {("CA" if name == "CH3" else name): i for (r, name), i in heavy.items() if r == residue}
            for residue in range(len(self.residue_types))
        ]
        self.heavy_atoms = torch.tensor(sorted(heavy.values()))
        self.backbone = [a[n] for a in self._atoms for n in ("N", "CA", "C") if n in a]
        self.anchors = [self.backbone.index(a["CA"] if "CA" in a else a["N"]) for a in self._atoms]
        self._quads = self._torsion_atoms()
        self._pairs = self._length_atoms()
        self._triples = self._angle_atoms()
        self.exists = torch.zeros(len(self.residue_types), len(INTERNAL), dtype=torch.bool)
        for slot in (*self._quads, *self._pairs, *self._triples):
            self.exists[slot] = True
        self.chain_slots = self._chain_slots()
        self.bonds = self._heavy_bonds()
        placements = self._side_chain_placements()
        placements += self._hydrogen_placements(hydrogens)
        self._layers = self._layer(placements)
        prolines = [a for a, t in zip(self._atoms, self.residue_types, strict=True) if t == "PRO"]
        self._rings = [(a["N"], a["CA"], a["CB"], a["CG"], a["CD"]) for a in prolines]
        slots = [(_flat(length), _flat(angle), _flat(torsion)) for length, angle, torsion in self.chain_slots]
        self._builder = ChainBuilder(n_atoms, self.backbone, slots, self._layers, self._rings)

    # which atoms -------------------------------------------------------------------------------------------------

    def _torsion_atoms(self) -> dict[tuple[int, int], tuple[int, int, int, int]]:
        quads: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        last = len(self._atoms) - 1
        for i, a in enumerate(self._atoms):
            before, after = self._atoms[i - 1] if i else {}, self._atoms[i + 1] if i < last else {}
            if i and "CA" in a:
                quads[i, OMEGA] = (before["CA"], before["C"], a["N"], a["CA"])
            if "N" not in a or "C" not in a:
                continue
            if i:
                quads[i, PHI] = (before["C"], a["N"], a["CA"], a["C"])
            quads[i, PSI] = (a["N"], a["CA"], a["C"], after["N"] if after else a["O"])
            for k, names in enumerate(chi_atoms(self.residue_types[i])):
                first, second, third, fourth = (a[n] for n in names)
                quads[i, CHI1 + k] = (first, second, third, fourth)
        return quads

    def _length_atoms(self) -> dict[tuple[int, int], tuple[int, int]]:
        pairs, first = {}, len(TORSIONS)
        for i, a in enumerate(self._atoms):
            if "N" in a and "CA" in a:
                pairs[i, first] = (a["N"], a["CA"])
            if "CA" in a and "C" in a:
                pairs[i, first + 1] = (a["CA"], a["C"])
            if i:
                pairs[i, first + 2] = (self._atoms[i - 1]["C"], a["N"])
        return pairs

    def _angle_atoms(self) -> dict[tuple[int, int], tuple[int, int, int]]:
        triples, first = {}, len(TORSIONS) + len(LENGTHS)
        for i, a in enumerate(self._atoms):
            if "N" in a and "C" in a:
                triples[i, first] = (a["N"], a["CA"], a["C"])
            if i:
                before = self._atoms[i - 1]
                triples[i, first + 1] = (before["CA"], before["C"], a["N"])
                if "CA" in a:
                    triples[i, first + 2] = (before["C"], a["N"], a["CA"])
            if "CB" in a:
                triples[i, first + 3] = (a["N"], a["CA"], a["CB"])
                triples[i, first + 4] = (a["C"], a["CA"], a["CB"])
            if SIDE_CHAINS.get(self.residue_types[i]):
                triples[i, first + 5] = (a["CA"], a["CB"], a[SIDE_CHAINS[self.residue_types[i]][0].atom])
        return triples

    def _chain_slots(self) -> list[tuple[tuple[int, int] | None, ...]]:
        """Per backbone atom after the first: the slots of its length, angle and torsion."""
        by_pair = {frozenset(v): k for k, v in self._pairs.items()}
        by_triple: dict[tuple[int, ...], tuple[int, int]] = {v: k for k, v in self._triples.items()}
        by_quad: dict[tuple[int, ...], tuple[int, int]] = {v: k for k, v in self._quads.items()}
        b = self.backbone
        return [
            (
                by_pair[frozenset(b[k - 1 : k + 1])],
                by_triple.get(tuple(b[k - 2 : k + 1])),
                by_quad.get(tuple(b[k - 3 : k + 1])),
            )
            for k in range(1, len(b))
        ]

    def _heavy_bonds(self) -> list[tuple[int, int]]:
        bonds = []
        for i, (a, t) in enumerate(zip(self._atoms, self.residue_types, strict=True)):
            rename = {"CH3": "CA"}
            bonds += [(a[rename.get(x, x)], a[rename.get(y, y)]) for x, y in heavy_bonds(t)]
            if "OXT" in a:
                bonds.append((a["C"], a["OXT"]))
            if i:
                bonds.append((self._atoms[i - 1]["C"], a["N"]))
        return bonds

    def _side_chain_placements(self) -> list[_Placement]:
        out: list[_Placement] = []
        last = len(self._atoms) - 1
        for i, (a, t) in enumerate(zip(self._atoms, self.residue_types, strict=True)):
            if "C" not in a:
                continue
            if i < last:
                out.append(_Bisector(a["O"], a["CA"], a["C"], self._atoms[i + 1]["N"]))
            else:
                out += [_Torsion(a[n], a["N"], a["CA"], a["C"], (i, PSI)) for n in ("O", "OXT") if n in a]
            if "CB" in a:
                out.append(_Beta(a["CB"], a["N"], a["CA"], a["C"], (i, _TO_BETA), (i, _TO_BETA + 1)))
            for k, b in enumerate(SIDE_CHAINS.get(t, ())):
                slot = (i, CHI1 + b.chi - 1) if b.chi else None
                out.append(_Torsion(a[b.atom], a[b.a], a[b.b], a[b.c], slot, None if k else (i, _TO_BETA + 2)))
        return out

    def _hydrogen_placements(self, hydrogens: Mapping[int, int]) -> list[_Placement]:
        built = [*self.backbone, *(atom for named in self._atoms for atom in named.values())][::-1]
        order = {atom: k for k, atom in enumerate(built)}
        found = hydrogen_references(hydrogens, self.bonds, {atom: -k for atom, k in order.items()})
        return [
            _Torsion(r.atom, r.second, r.first, r.parent, None)
            if r.at_end
            else _Bisector(r.atom, r.first, r.parent, r.second)
            for r in found
        ]

    def _layer(self, placements: list[_Placement]) -> list[Layer]:
        """Few layers: what no other atom is placed by comes last, all at once."""
        needed, last = {atom for p in placements for atom in (p.a, p.b, p.c)}, len(placements) + 1
        level = dict.fromkeys(self.backbone, 0)
        waiting, groups = list(placements), defaultdict(list)
        while waiting:
            ready = [p for p in waiting if p.a in level and p.b in level and p.c in level]
            for p in ready:
                depth = 1 + max(level[p.a], level[p.b], level[p.c])
                groups[depth if p.atom in needed else last, type(p).__name__].append(p)
            for p in ready:
                level[p.atom] = 1 + max(level[p.a], level[p.b], level[p.c])
            waiting = [p for p in waiting if p.atom not in level]
        layers = []
        for key in sorted(groups):
            group = groups[key]
            slots = [[_flat(getattr(p, name, None)) for p in group] for name in ("slot", "angle")]
            abc = torch.tensor([(p.a, p.b, p.c) for p in group]).T
            layers.append(
                Layer(_KINDS[type(group[0])], torch.tensor([p.atom for p in group]), abc, torch.tensor(slots))
            )
        return layers

    # positions -> internal coordinates ---------------------------------------------------------------------------

    def encode(self, positions: Tensor) -> Tensor:
        """Internal coordinates of frames.

        Parameters
        ----------
        positions : Tensor (..., N, 3)
            Å.

        Returns
        -------
        Tensor (..., L, 16)
            `INTERNAL`: radians, Å, radians; zero where ``exists`` is false.
        """
        out = positions.new_zeros(*positions.shape[:-2], len(self.residue_types), len(INTERNAL))
        for table, function in ((self._quads, dihedral), (self._pairs, bond_length), (self._triples, bond_angle)):
            if table:
                rows, columns = torch.tensor(list(table)).T
                points = positions[..., torch.tensor(list(table.values())), :]
                out[..., rows, columns] = function(*points.unbind(-2))
        return out

    def encode_rounded(self, positions: Tensor) -> Tensor:
        """As `encode`, in float64, and the same to the last bit however the molecule is turned."""
        return (self.encode(positions) / _ROUNDED).round() * _ROUNDED

    def geometry(self, reference: Tensor) -> Geometry:
        """Bond lengths, angles, chirality and hydrogen positions of a structure (N, 3) in Å, for `decode`."""
        internal = self.encode(reference)
        layers = []
        for layer in self._layers:
            atom, (a, b, c) = reference[layer.atoms], (reference[k] for k in layer.abc)
            if layer.kind == BISECTOR:
                layers.append((bisector_frame(a, b, c).mT @ (atom - b).unsqueeze(-1)).squeeze(-1))
                continue
            if layer.kind == BETA:
                side = (torch.linalg.cross(a - b, c - b) * (atom - b)).sum(-1).sign()
                layers.append(torch.stack((bond_length(b, atom), side, torch.zeros_like(side)), -1))
                continue
            turn = torch.where(layer.slots[0] >= 0, internal.flatten()[layer.slots[0]], 0.0)
            layers.append(
                torch.stack((bond_length(c, atom), bond_angle(b, c, atom), dihedral(a, b, c, atom) - turn), -1)
            )
        rings = [
            torch.stack((bond_length(reference[d], reference[n]), bond_length(reference[d], reference[g])))
            for n, _, _, g, d in self._rings
        ]
        return Geometry(tuple(layers), torch.stack(rings) if rings else reference.new_zeros(0, 2), internal)

    # internal coordinates -> positions ---------------------------------------------------------------------------

    def decode(self, internal: Tensor, geometry: Geometry) -> Tensor:
        """All atoms in the user's order, built along the chain from its first backbone atoms.

        Parameters
        ----------
        internal : Tensor (F, L, 16)
        geometry : Geometry
            What internal coordinates leave out, from the user's own structure.

        Returns
        -------
        Tensor (F, N, 3)
            Å, in the frame of the first three backbone atoms: superpose before use.
        """
        values = internal.flatten(1).T.contiguous()  # (L * 16, F)
        return self._builder.atoms(self._builder.backbone(values), values, geometry).permute(2, 1, 0)

    def decode_backbone(self, internal: Tensor) -> Tensor:
        """Backbone atoms (F, n, 3) in Å, in the order of ``backbone``, of internal coordinates (F, L, 16)."""
        return self._builder.backbone(internal.flatten(1).T.contiguous()).permute(2, 1, 0)

    def decode_around(self, backbone: Tensor, internal: Tensor, geometry: Geometry) -> Tensor:
        """As `decode`, about a backbone (F, n, 3) in Å that is there already, in the order of ``backbone``."""
        values = internal.flatten(1).T.contiguous()
        return self._builder.atoms(backbone.permute(2, 1, 0), values, geometry).permute(2, 1, 0)
