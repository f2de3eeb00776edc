"""Which residue fits between two given ones: a linear model of how they lie to each other and how fast that changes.

The nine distances between N, CA, C before a run of one or two residues and N, CA, C after it are averaged over the
frames: powers, products, harmonics, and squared changes within 10, 30 and 100 ps. These features are explained by the
residue in question, the given ones beside it and where the chain ends, plus a rest that is Gaussian with a covariance
which is itself uncertain (Bayesian linear regression); Bayes' rule turns that around. All of it is solved for at once,
with few dimensions, and how far to trust it is measured on peptides that are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from openmm_mdgen.geometry.closure import build_run
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.tokens.spans import bridged_runs
from openmm_mdgen.tokens.tokens import N_IDENTITIES

N_DISTANCES = 9
LAGS = (10.0, 30.0, 100.0)  # ps
LONGEST_RUN = 2
N_AVERAGES = 12 * N_DISTANCES + len(LAGS) * N_DISTANCES
N_STILL, N_MOVING = 12 * N_DISTANCES, N_AVERAGES + N_DISTANCES  # features
N_EFFECTS = 3 * N_IDENTITIES + 5  # the residue, the one before, the one after, four kinds of ends, a constant
_UPPER = torch.triu_indices(N_DISTANCES, N_DISTANCES)
_SQUARES = N_DISTANCES + (_UPPER[0] == _UPPER[1]).nonzero().flatten()  # where averages hold mean squares
_APART = 10.0  # ps; frames further apart count as this, since they say no more than frames in a row


class Place(NamedTuple):
    """A residue to be guessed: its run's length and its place in the run, from 0."""

    length: int
    place: int


PLACES = tuple(Place(n, k) for n in range(1, LONGEST_RUN + 1) for k in range(n))


def gap_distances(internal: Tensor, first: int, last: int) -> Tensor:
    """Distances (..., 9) in Å between N, CA, C before and N, CA, C after residues first to last.

    ``internal`` is (..., L, 16); of the run itself nothing but what lies beyond it enters.
    """
    atoms = build_run(internal, first - 1, last + 1)
    return torch.cdist(atoms[..., :3, :], atoms[..., -3:, :]).flatten(-2)


def frame_lags(interval: float) -> tuple[int, ...]:
    """`LAGS` in frames ``interval`` ps apart; none where they are no whole numbers of frames."""
    lags = tuple(round(lag / interval) for lag in LAGS)
    whole = all(abs(k * interval - lag) < 1e-3 * lag for k, lag in zip(lags, LAGS, strict=True))
    return lags if whole else ()


def frame_averages(z: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Averages (..., 135) over the frames of standardised distances z (..., T, 9); (..., 108) without lags."""
    products = z[..., _UPPER[0]] * z[..., _UPPER[1]]
    waves = torch.cat([f(k * z) for k in (2, 3) for f in (torch.sin, torch.cos)], -1)
    still = torch.cat((z, products, z**3, z**4, waves), -1).mean(-2)
    changes = [(z[..., k:, :] - z[..., :-k, :]).square().mean(-2) for k in lags]
    return torch.cat((still, *changes), -1)


def averages_to_features(averages: Tensor) -> Tensor:
    """Features (..., 144) of averages (..., 135): spreads and changes as logarithms; (..., 108) stay as they are."""
    if averages.shape[-1] == N_STILL:
        return averages
    variance = averages[..., _SQUARES] - averages[..., :N_DISTANCES].square()
    logs = torch.cat((averages[..., N_STILL:], variance), -1).clamp_min(1e-9).log()
    return torch.cat((averages[..., :N_STILL], logs), -1)


def surroundings(sequence: Tensor, first: int, last: int) -> Tensor:
    """What is given beside a run (45,): both neighbours in sequence (L,), whether each is an end or capped, and 1."""
    before, after, end = first - 1, last + 1, len(sequence) - 1
    capped = sequence >= N_IDENTITIES
    ends = [
        before == 0,
        after == end,
        before > 0 and bool(capped[before - 1]),
        after < end and bool(capped[after + 1]),
    ]
    neighbours = F.one_hot(sequence[[before, after]], len(TYPES))[:, :N_IDENTITIES]
    return torch.cat((neighbours.flatten().double(), torch.tensor([*ends, True]).double()))


@dataclass(frozen=True)
class IdentityTable:
    """What the features of one kind of place are like, for every residue.

    Attributes
    ----------
    center, scale : Tensor (9,)
        Å; mean and deviation of the distances.
    mean : Tensor (K,)
    basis : Tensor (K, D)
        Features minus ``mean`` times ``basis`` are the coordinates that the rest is said of.
    effects : Tensor (65, D)
        Of residue, neighbours, ends and constant.
    doubt : Tensor (65, 65)
        Covariance of the effects in units of the rest's.
    rest : Tensor (D, D)
        Covariance between peptides that have all effects the same.
    freedom : Tensor ()
        Degrees of freedom of ``rest``.
    durations : Tensor (S + 1,)
        ps, rising; the last is that of the data of one peptide.
    noise : Tensor (S, D, D)
        Second moment of what averages over the first S durations are off.
    sharpness : Tensor (S + 1,)
        What the log-likelihood is multiplied by, so that probabilities are right for peptides that were left out.
    """

    center: Tensor
    scale: Tensor
    mean: Tensor
    basis: Tensor
    effects: Tensor
    doubt: Tensor
    rest: Tensor
    freedom: Tensor
    durations: Tensor
    noise: Tensor
    sharpness: Tensor

    def log_likelihood(self, features: Tensor, context: Tensor, duration: float) -> Tensor:
        """Log-likelihood (E, 20), up to a constant, of features (E, K) beside contexts (E, 45)."""
        coordinates = (features - self.mean) @ self.basis
        rows = torch.cat(
            (
                torch.eye(N_IDENTITIES, dtype=context.dtype).expand(len(context), -1, -1),
                context.unsqueeze(1).expand(-1, N_IDENTITIES, -1),
            ),
            -1,
        )  # (E, 20, 65)
        error = coordinates.unsqueeze(1) - rows @ self.effects
        factor = torch.linalg.cholesky(self.rest + self.noise_at(duration))
        white = torch.linalg.solve_triangular(factor, error.flatten(0, 1).T, upper=False).T
        variance = 1 + ((rows @ self.doubt) * rows).sum(-1)
        distance = white.square().sum(-1).unflatten(0, variance.shape) / variance
        n = self.basis.shape[1]
        return -0.5 * n * variance.log() - 0.5 * (self.freedom + n) * torch.log1p(distance / self.freedom)

    def log_probabilities(self, features: Tensor, context: Tensor, duration: float) -> Tensor:
        """Log-probabilities (E, 20) where all residues are as frequent as each other."""
        return (self.log_likelihood(features, context, duration) * self.sharpness_at(duration)).log_softmax(-1)

    def noise_at(self, duration: float) -> Tensor:
        """Noise (D, D) of averages over so many ps: as 1 / duration from the longest measured one below it."""
        measured = self.durations[:-1]
        k = int((measured <= duration).sum().clamp_min(1)) - 1
        return self.noise[k] * min(1.0, float(measured[k]) / duration)

    def sharpness_at(self, duration: float) -> float:
        """`sharpness` between the durations of the table, on a line over the logarithm of the duration."""
        x = self.durations.log()
        place = torch.tensor(duration, dtype=x.dtype).log().clamp(x[0], x[-1])
        right = int(torch.searchsorted(x, place).clamp(1, len(x) - 1))
        share = (place - x[right - 1]) / (x[right] - x[right - 1])
        return float(torch.lerp(self.sharpness[right - 1], self.sharpness[right], share))


@dataclass(frozen=True)
class IdentityModel:
    """Guesses which residue is in a place, from where the given ones beside it are.

    Attributes
    ----------
    still, moving : dict of Place to IdentityTable
        For frames at any interval, and for those whose interval divides `LAGS`.
    frequencies : Tensor (20,)
        Of the residues in the training set, in the order of ``geometry.sidechains.TYPES`` without the caps.
    name, content_hash : str
        Which weights these are.
    temperature : float
        K, of the training set.
    lengths : (int, int)
        Residues of its peptides, caps left out.
    training : dict
        What the model card says of the fit.

    Examples
    --------
    >>> model = load_identities("peptide-design")
    >>> probabilities, known = model.probabilities(internal, free, sequence_to_indices(types), interval=10.0)
    """

    still: dict[Place, IdentityTable]
    moving: dict[Place, IdentityTable]
    frequencies: Tensor
    name: str = "model"
    temperature: float = 350.0
    lengths: tuple[int, int] = (3, 8)
    training: dict[str, object] = field(default_factory=dict)
    content_hash: str = ""

    def probabilities(self, internal: Tensor, free: Tensor, sequence: Tensor, interval: float) -> tuple[Tensor, Tensor]:
        """Probabilities (L, 20) of every free residue, and for which (L,) of bool the frames say something.

        Parameters
        ----------
        internal : Tensor (T, L, 16)
            Of which only the relation of the given residues is used.
        free : Tensor (L,) of bool
            Residues to be guessed; the others, and runs at an end or longer than 2, get `frequencies`.
        sequence : Tensor (L,) of int
            Indices into ``TYPES``, of which the given residues' are used.
        interval : float
            ps between frames.
        """
        out, known = self.frequencies.repeat(len(free), 1), torch.zeros_like(free)
        for first, last in bridged_runs(free, sequence < N_IDENTITIES):
            distances = gap_distances(internal.double(), first, last)
            context = surroundings(sequence, first, last)
            for k in range(last - first + 1):
                table, lags = self._table(Place(last - first + 1, k), len(internal), interval)
                if table is not None:
                    z = (distances - table.center) / table.scale
                    features = averages_to_features(frame_averages(z, lags))
                    duration = averaged_over(len(internal), interval)
                    out[first + k] = table.log_probabilities(features[None], context[None], duration)[0].exp()
                    known[first + k] = True
        return out, known

    def _table(self, place: Place, n_frames: int, interval: float) -> tuple[IdentityTable | None, tuple[int, ...]]:
        """The table that says most of such frames, and its lags."""
        lags, moving = frame_lags(interval), self.moving.get(place)
        if lags and moving is not None and averaged_over(n_frames, interval) >= moving.durations[0] * 0.999:
            return moving, lags
        return self.still.get(place), ()


def averaged_over(n_frames: int, interval: float) -> float:
    """ps that an average counts as."""
    return n_frames * min(interval, _APART)
