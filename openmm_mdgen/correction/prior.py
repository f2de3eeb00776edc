"""The generated ensemble as a weak prior: pseudo-transitions that decide only where short runs hold next to none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_LEAST = 1e-3  # barriers: nothing may fall apart
_UNSEEN = 0.1  # generated frames that a cell without any is taken to have


@dataclass(frozen=True)
class Prior:
    """Generated shares, and how strongly they are held.

    Attributes
    ----------
    frames : (B, G) ndarray
        Weights of the generated frames in the estimate (first row, all 1) and in its resamples.
    lag : float
        In those frames that are counted.
    steps : int
        Lags that a run lasts.
    strength : float
        Pseudo-transitions for each barrier that runs do not cross within their length (`strength_of`).
    """

    frames: np.ndarray
    lag: float
    steps: int
    strength: float

    def shares(self, cells: np.ndarray, number: int) -> np.ndarray:
        """Share of each of `number` cells (B, number), from the cell of each generated frame (G,)."""
        mass = np.stack([np.bincount(cells, row, number) for row in self.frames]) + _UNSEEN
        out: np.ndarray = mass / mass.sum(-1, keepdims=True)
        return out

    def rows(self, chosen: slice) -> Prior:
        """Of some resamples."""
        return replace(self, frames=self.frames[chosen])

    def add(self, counts: np.ndarray, visits: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Counts with pseudo-transitions, (B, M, M).

        From cell i to j they are s_ij g_j to every step made from i, with the generated shares g and a symmetric s, so
        that without any other move the reversible chain's stationary distribution is g. As many leave all cells
        together as there are barriers (`barriers`) times the strength, evenly from cell to cell; a cell that was
        hardly visited is left once a run's length, rather than never. As runs add up, real transitions outnumber them.

        Parameters
        ----------
        counts : (B, M, M) ndarray
            Transitions at the lag in the estimate and its resamples; every row has some.
        visits : (M,) ndarray
            Frames that these start from, without weights.
        shares : (B, M) ndarray
        """
        rows = counts.sum(-1, keepdims=True)
        number = self.strength * barriers(counts[0], self.steps) / counts.shape[-1]
        leaving = number / (visits / self.lag + number * self.steps)
        either = np.maximum(leaving[:, None], leaving[None, :])
        out: np.ndarray = counts + rows * either * shares[:, None, :]
        return out


def strength_of(n_groups: int) -> float:
    """Pseudo-transitions a barrier for frames of so many torsions: a quarter of their square, at least one.

    The few moves about each torsion leave its weights uncertain, and a frame's weight is the product over torsions:
    what two torsions can afford leaves nothing but noise of fifteen. Chosen on alanine dipeptide (2 torsions) and
    validation peptides (12 to 14), where results hardly change within a factor of two.
    """
    return max(1.0, n_groups**2 / 4)


def barriers(counts: np.ndarray, steps: int) -> float:
    """How many barriers stop a walker for so many steps: the sum of the chain's eigenvalues, to that power, but the 1.

    Parameters
    ----------
    counts : (M, M) ndarray
        Transitions; every row has some.
    steps : int
    """
    matrix = np.linalg.matrix_power(counts / counts.sum(-1, keepdims=True), max(steps, 1))
    return max(float(np.trace(matrix)) - 1.0, _LEAST)
