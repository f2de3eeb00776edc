"""What a model was trained on, and how far a peptide is from it."""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np

from openmm_mdgen.errors import MDGenWarning
from openmm_mdgen.geometry.frames import dihedral
from openmm_mdgen.peptide.naming import CAPS, ONE_LETTER
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.protocols import ModelInfo

_FEW = 2  # of one alone none is left when it is left out
_NEAREST = 3
_TOLD: set[tuple[str, str]] = set()
_SHOWN = 5
_USUAL = 0.9  # quantile, over training peptides, of what is new in each when it is left out


@dataclass(frozen=True)
class Familiarity:
    """How near a peptide is to the training set.

    What is far is taken from the training set alone, by leaving out one of its peptides after the other: no error of
    frames and no peptide of validation or test has a part in it.

    Attributes
    ----------
    unseen_pairs : tuple of str
        Neighbouring residues, such as ``"W-P"``, that stand so in no training peptide.
    n_pairs : int
        Pairs of neighbouring residues, ends left out.
    n_length : int
        Training peptides of this number of residues.
    n_ends : int
        Training peptides with these ends.
    usual_share : float
        Share of unseen pairs, 0 to 1, that nine of ten training peptides do not exceed when they are left out.
    nearest : tuple of (str, float)
        The most similar training peptides, with 1 for the same sequence.
    trained_on : bool
        Whether it is a training peptide itself.
    """

    sequence: str
    unseen_pairs: tuple[str, ...]
    n_pairs: int
    n_length: int
    n_ends: int
    usual_share: float
    nearest: tuple[tuple[str, float], ...]
    trained_on: bool

    @property
    def warning(self) -> str:
        """What the model does not know, in one line; empty where the peptide is like those that it learned."""
        reasons = []
        if self.n_length < _FEW:
            reasons.append(f"{self.n_length} training peptides have its length")
        if self.n_ends < _FEW:
            reasons.append(f"{self.n_ends} training peptides have its ends")
        if len(self.unseen_pairs) > self.usual_share * self.n_pairs:
            shown = ", ".join(self.unseen_pairs[:_SHOWN])
            reasons.append(f"{len(self.unseen_pairs)} pairs of neighbours stand in no training peptide ({shown})")
        if not reasons or self.trained_on:
            return ""
        near = self.nearest[0][0] if self.nearest else "none"
        return (
            f"{self.sequence} is far from what the model was trained on: {'; '.join(reasons)}; the nearest is {near}. "
            f"Check its frames, as with openmm_mdgen.correct, or train on your own MD (openmm-mdgen train)"
        )


def residues_to_sequence(residues: Sequence[str]) -> str:
    """Residue names with caps to a sequence: ACE, ALA, NME -> ``"ACE-A-NME"``."""
    letters = "".join(ONE_LETTER[name] for name in residues if name not in CAPS)
    first = [residues[0]] if residues[0] in CAPS else []
    last = [residues[-1]] if residues[-1] in CAPS and len(residues) > 1 else []
    return "-".join([*first, letters, *last])


def familiarity(sequence: str, training: Sequence[str]) -> Familiarity:
    """Compare a sequence, such as ``"AMMT"`` or ``"ACE-A-NME"``, with those of a training set.

    Examples
    --------
    >>> familiarity("ACE-W-NME", training_sequences("peptide")).nearest
    """
    units, ends = _units(sequence), _ends(sequence)
    known = [_units(other) for other in training]
    pairs = {pair for other in known for pair in pairwise(other)}
    unseen = tuple(f"{a}-{b}" for a, b in dict.fromkeys(pairwise(units[1:-1])) if (a, b) not in pairs)
    scores = {
        other: SequenceMatcher(None, units, its, autojunk=False).ratio()
        for other, its in zip(training, known, strict=True)
    }
    nearest = sorted(scores.items(), key=lambda item: (-item[1], abs(len(item[0]) - len(sequence)), item[0]))
    return Familiarity(
        sequence=sequence,
        unseen_pairs=unseen,
        n_pairs=len(units) - 3,
        n_length=sum(_length(other) == _length(sequence) for other in training),
        n_ends=sum(_ends(other) == ends for other in training),
        usual_share=_usual_share(tuple(training)),
        nearest=tuple(nearest[:_NEAREST]),
        trained_on=sequence in scores,
    )


@cache
def _usual_share(training: tuple[str, ...]) -> float:
    """Share of pairs that are new in a training peptide when it is left out: the quantile `_USUAL` over all."""
    pairs = [Counter(pairwise(_units(sequence)[1:-1])) for sequence in training]
    holders = Counter(pair for its in pairs for pair in its)
    shares = [sum(holders[pair] == 1 for pair in its) / its.total() for its in pairs if its]
    return float(np.quantile(shares, _USUAL)) if shares else 1.0


def warn_of_the_unfamiliar(info: ModelInfo, structure: Structure) -> None:
    """Warn once of a peptide, or of a start with a cis peptide bond, that a bundled model was not trained on."""
    training = training_sequences(info.name)
    if not training:
        return
    peptide = Peptide.from_structure(structure)
    sequence = residues_to_sequence(peptide.residue_types)
    told = [familiarity(sequence, training).warning, _cis(peptide, structure, sequence)]
    for words in told:
        if words and (info.content_hash, words) not in _TOLD:
            _TOLD.add((info.content_hash, words))
            warnings.warn(words, MDGenWarning, stacklevel=3)


def _cis(peptide: Peptide, structure: Structure, sequence: str) -> str:
    """What to say of a start with cis peptide bonds, which no training frame has; empty where all are trans."""
    at = structure.positions
    number = 0
    for k in range(len(peptide.residue_types) - 1):
        alphas = ["CA" if (j, "CA") in peptide.heavy else "CH3" for j in (k, k + 1)]
        names = [(k, alphas[0]), (k, "C"), (k + 1, "N"), (k + 1, alphas[1])]
        if all(name in peptide.heavy for name in names):
            number += abs(float(dihedral(*(at[peptide.heavy[name]] for name in names)))) < math.pi / 2
    if not number:
        return ""
    return (
        f"{number} peptide bonds of {sequence} start cis, which no training frame has; start from a trans structure, "
        "or check the frames"
    )


@cache
def training_sequences(model: str) -> tuple[str, ...]:
    """Sequences that bundled weights were trained on; none where that is not known."""
    file = files("openmm_mdgen.weights") / f"{model}-sequences.json"
    return tuple(json.loads(file.read_text(encoding="utf-8"))["sequences"]) if file.is_file() else ()


def measured_errors(model: str, content_hash: str) -> dict[str, tuple[float, float]]:
    """Backbone JSD of val and test peptides and of MD against itself, for weights of this content only."""
    content = _errors(model, content_hash)
    found = content.get("validation", {}) | content.get("backbone_jsd", {})
    return {name: (values[0], values[1]) for name, values in found.items()}


def calibration(model: str, content_hash: str) -> str:
    """What measures of familiarity foretold of the errors of validation peptides, in one line; empty where unknown."""
    content = _errors(model, content_hash)
    if "validation" not in content:
        return ""
    (jsd, floor), ranks = np.array(list(content["validation"].values())).T, content["validation_ranks"]
    told, ratio = ", ".join(f"{name} {rank:+.2f}" for name, rank in ranks.items()), jsd / floor
    return (
        f"on {len(jsd)} validation peptides the backbone JSD was {jsd.min():.3f} to {jsd.max():.3f}, "
        f"{ratio.min():.2f} to {ratio.max():.2f} of MD's floor; rank correlations with that ratio: {told} "
        "(near 0: not foretold)"
    )


@cache
def _errors(model: str, content_hash: str) -> dict[str, Any]:
    """What was measured with weights of this content; nothing for others."""
    file = files("openmm_mdgen.weights") / f"{model}-errors.json"
    if not file.is_file():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content if content["content"] == content_hash else {}


def _units(sequence: str) -> tuple[str, ...]:
    """Residues and ends: free ends are units too, for a charged end is another neighbour than a cap."""
    first, letters, last = _parts(sequence)
    return (first, *letters, last)


def _ends(sequence: str) -> tuple[str, str]:
    first, _, last = _parts(sequence)
    return first, last


def _length(sequence: str) -> int:
    return len(_parts(sequence)[1])


def _parts(sequence: str) -> tuple[str, str, str]:
    parts = sequence.split("-")
    first = parts.pop(0) if len(parts) > 1 and parts[0] in CAPS else "+"
    last = parts.pop() if len(parts) > 1 and parts[-1] in CAPS else "-"
    return first, "".join(parts), last
