"""How often design recovers residues: every one between two others, and every such pair, from more and less motion."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import MDAnalysis as mda
import numpy as np
from ensemble_tables import table
from pooled import read_peptide

from openmm_mdgen.convert.structures import atomgroup_to_structure
from openmm_mdgen.peptide.peptide import Peptide, Structure
from openmm_mdgen.tasks.design import LETTERS, Design

INTERVAL, WINDOW = 10.0, 64
SOURCES = ("first frame", "window", "replica", "whole")


@dataclass(frozen=True)
class Row:
    """A set of residues that is designed: by `SOURCES`, probabilities (N, P, 20) from N pieces of the motion."""

    peptide: str
    places: list[int]
    native: str
    found: dict[str, np.ndarray]

    def of_native(self, source: str) -> np.ndarray:
        """Probabilities (N, P) of the native residues."""
        columns = [LETTERS.index(letter) for letter in self.native]
        return np.stack([self.found[source][:, k, c] for k, c in enumerate(columns)], 1)

    def rank(self, source: str) -> np.ndarray:
        """How many residues (N, P) are more probable than the native ones."""
        return (self.found[source] > self.of_native(source)[..., None]).sum(-1)

    def guess(self) -> str:
        """The most probable residues by all of the motion."""
        return "".join(LETTERS[k] for k in self.found["whole"][0].argmax(-1))


def bare(name: str) -> str:
    """The residues of a folder's name, caps left out."""
    return name.replace("ACE-", "").replace("-NME", "")


def frequencies(train: list[Path]) -> np.ndarray:
    """How often each of `LETTERS` is in the peptides of train."""
    counts = Counter("".join(bare(folder.name) for folder in train))
    values = np.array([counts[letter] for letter in LETTERS], float)
    return values / values.sum()


def designed(folder: Path, task: Design, n_replicas: int) -> list[Row]:
    """A row per residue between two others, and per pair of such residues side by side."""
    _, md, _ = read_peptide(folder)
    md = md[:n_replicas]
    structure = atomgroup_to_structure(mda.Universe(folder / "heavy.pdb").atoms)
    sequence = Peptide.from_structure(structure).sequence
    inner = range(1, len(sequence) - 1)
    windows = [x[k : k + WINDOW] for x in md for k in range(0, len(x) - WINDOW + 1, WINDOW)]
    pieces = {
        "first frame": [x[:1] for x in windows],
        "window": windows,
        "replica": md,
        "whole": [np.concatenate(md)],
    }
    rows = []
    for places in [[p] for p in inner] + [[p, p + 1] for p in inner if p + 1 in inner]:
        found = {k: np.stack([_ask(task, structure, places, x) for x in v]) for k, v in pieces.items()}
        rows.append(Row(folder.name, places, "".join(sequence[p] for p in places), found))
    return rows


def _ask(task: Design, structure: Structure, places: list[int], frames: np.ndarray) -> np.ndarray:
    return task.read(structure, places, frames, INTERVAL).probabilities()


def print_design(folders: list[Path], train: list[Path], task: Design, n_replicas: int) -> list[dict[str, object]]:
    """Every designed set of residues, then their means by what is read, beside chance and frequencies."""
    rows = [row for folder in folders for row in designed(folder, task, n_replicas)]
    cells = []
    for r in rows:
        numbers = [r.of_native(s).mean() for s in SOURCES]
        right = "".join("x" if k == 0 else "-" for k in r.rank("whole")[0])
        places = ", ".join(str(p + 1) for p in r.places)
        cells.append([r.peptide, places, r.native, r.guess(), right, *(f"{x:.2f}" for x in numbers)])
    head = ["peptide", "designed", "native", "guess", "right", *(f"probability of the native: {s}" for s in SOURCES)]
    click.echo(table(head, cells) + "\n")
    known = frequencies(train)
    means = [
        cell
        for n, label in ((1, "single residues"), (2, "pairs"))
        if (chosen := [r for r in rows if len(r.places) == n])
        for cell in _means(chosen, label, known)
    ]
    head = ["designed", "read", "recovered", "among the first 5", "probability of the native", "its mean log"]
    click.echo(table(head, means))
    return [{"peptide": r.peptide, "places": r.places, "native": r.native, "guess": r.guess()} for r in rows]


def _means(rows: list[Row], label: str, known: np.ndarray) -> list[list[str]]:
    natives = [LETTERS.index(letter) for r in rows for letter in r.native]
    label = f"{label}, {len(natives)} positions"
    rank = np.argsort(np.argsort(-known, kind="stable"))[natives]
    cells = [[label, "nothing (chance)", "0.050", "0.250", "0.050", f"{np.log(1 / 20):.2f}"]]
    cells.append([label, "frequencies in train", *_numbers(rank, known[natives])])
    for source in SOURCES:
        rank, likely = ([f(r, source) for r in rows] for f in (Row.rank, Row.of_native))
        # every position weighs the same, however many pieces its motion was read in
        weight = np.concatenate([np.full(x.size, 1 / len(x)) for x in likely])
        cells.append(
            [
                label,
                source,
                *_numbers(
                    np.concatenate(list(map(np.ravel, rank))), np.concatenate(list(map(np.ravel, likely))), weight
                ),
            ]
        )
    return cells


def _numbers(rank: np.ndarray, likely: np.ndarray, weight: np.ndarray | None = None) -> list[str]:
    """Share first, share among the first five, mean probability, mean logarithm."""
    mean = [np.average(x, weights=weight) for x in (rank == 0, rank < 5, likely, np.log(likely))]
    return [*(f"{x:.3f}" for x in mean[:3]), f"{mean[3]:.2f}"]
