"""How an ensemble of a protein compares with MD of it: the table of ATLAS, one target.

Definitions are those of AlphaFlow (Jing, Berger & Jaakkola, ICML 2024) and its evaluation: heavy atoms, superposed on
the crystal structure; C-alphas superposed anew for principal components, contacts and pairwise distances; random frames
of the MD drawn with the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import pearsonr, spearmanr

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.geometry.superpose import superpose

_SEED = 137
_N_RANDOM = 1000
_CONTACT = 8.0  # Å between C-alphas
_RARE, _OFTEN = 0.1, 0.9  # probability from which a contact is transient, and to which it is weak
EXPOSED = 2.0  # Å², side chain reached by a probe of 2.8 Å


@dataclass(frozen=True)
class Target:
    """One protein: the same heavy atoms in the crystal structure, the MD and the ensemble that is judged.

    Attributes
    ----------
    crystal : numpy.ndarray
        (N, 3) Å.
    reference, generated : numpy.ndarray
        (F, N, 3) and (G, N, 3) Å.
    alphas : numpy.ndarray
        Indices of the C-alphas.
    crystal_exposure, reference_exposure, generated_exposure : numpy.ndarray or None
        (L,), (at most 1000, L), (G, L) Å² of side chains, of the frames in `random_frames`; None leaves exposure out.
    """

    crystal: np.ndarray
    reference: np.ndarray
    generated: np.ndarray
    alphas: np.ndarray
    crystal_exposure: np.ndarray | None = None
    reference_exposure: np.ndarray | None = None
    generated_exposure: np.ndarray | None = None


@dataclass(frozen=True)
class TargetScores:
    """The metrics of one target; Å where they have a unit, NaN where they are not defined.

    Attributes
    ----------
    md_pairwise_rmsd, pairwise_rmsd
        Mean over pairs of frames, of the MD and of the ensemble.
    md_rmsf, rmsf
        (N,) per heavy atom.
    rmsf_r
        Pearson's correlation of the two.
    rmwd_translation, rmwd_variance
        Root mean square over atoms of the 2-Wasserstein distance of Gaussians, its part from means and from variances.
    md_pca_w2, joint_pca_w2
        2-Wasserstein distance in the first two components of the MD, or of both ensembles together.
    cosine
        Of the first components of the MD and of the ensemble.
    weak_contacts, transient_contacts, exposed_residues
        Jaccard index.
    exposed_mutual_information
        Spearman's correlation of the matrices of mutual information of exposure.
    """

    md_pairwise_rmsd: float
    pairwise_rmsd: float
    md_rmsf: np.ndarray
    rmsf: np.ndarray
    rmsf_r: float
    rmwd_translation: float
    rmwd_variance: float
    md_pca_w2: float
    joint_pca_w2: float
    cosine: float
    weak_contacts: float
    transient_contacts: float
    exposed_residues: float
    exposed_mutual_information: float

    @property
    def rmwd(self) -> float:
        """Root mean Wasserstein distance."""
        return float(np.hypot(self.rmwd_translation, self.rmwd_variance))

    def row(self) -> dict[str, float]:
        """All numbers by name, `rmwd` among them."""
        single = {name: value for name, value in vars(self).items() if name not in ("md_rmsf", "rmsf")}
        return single | {"rmwd": self.rmwd}


@dataclass(frozen=True)
class RandomFrames:
    """Frames of the MD drawn at random: two sets as large as the ensemble, and one of 1000."""

    first: np.ndarray
    second: np.ndarray
    many: np.ndarray


def random_frames(n_reference: int, n_generated: int) -> RandomFrames:
    """The draws of one target."""
    generator = np.random.RandomState(_SEED)
    return RandomFrames(*(generator.randint(0, n_reference, n) for n in (n_generated, n_generated, _N_RANDOM)))


def score_target(target: Target) -> TargetScores:
    """The metrics of one target.

    Raises
    ------
    MDGenError
        For fewer than two frames on either side, or atoms that differ.
    """
    _check(target)
    draws = random_frames(len(target.reference), len(target.generated))
    crystal = target.crystal.astype(np.float64)
    md, made = (superpose(x.astype(np.float64), crystal) for x in (target.reference, target.generated))
    alphas = target.alphas
    ca_crystal = crystal[alphas]
    ca_md, ca_made = (superpose(x[:, alphas], ca_crystal) for x in (md, made))
    md_rmsf, rmsf = fluctuations(md, crystal), fluctuations(made, crystal)
    translation, variance = wasserstein_of_gaussians(md[draws.many], made)
    md_axes = principal_components(ca_md)
    joint = principal_components(np.concatenate([ca_md[draws.first], ca_made]))
    contacts = [contact_probability(x) for x in (ca_crystal[None], ca_md[draws.first], ca_made)]
    exposed, information = _exposure(target)
    return TargetScores(
        md_pairwise_rmsd=pairwise_rmsd(ca_md[draws.first], ca_md[draws.second]),
        pairwise_rmsd=pairwise_rmsd(ca_made, ca_made),
        md_rmsf=md_rmsf,
        rmsf=rmsf,
        rmsf_r=float(pearsonr(rmsf, md_rmsf)[0]),
        rmwd_translation=float(np.sqrt(np.square(translation).mean())),
        rmwd_variance=float(np.sqrt(np.square(variance).mean())),
        md_pca_w2=wasserstein_in(md_axes, ca_md[draws.first], ca_made),
        joint_pca_w2=wasserstein_in(joint, ca_md[draws.first], ca_made),
        cosine=float(abs((md_axes[1][0] * principal_components(ca_made)[1][0]).sum())),
        weak_contacts=jaccard(*((contacts[0] > 0) & (x < _OFTEN) for x in contacts[1:])),
        transient_contacts=jaccard(*((contacts[0] == 0) & (x > _RARE) for x in contacts[1:])),
        exposed_residues=exposed,
        exposed_mutual_information=information,
    )


def _check(target: Target) -> None:
    for name, frames in (("reference", target.reference), ("generated", target.generated)):
        if len(frames) < 2:
            raise MDGenError(f"the {name} ensemble has {len(frames)} frames; at least 2 are needed")
        if frames.shape[1:] != target.crystal.shape:
            raise MDGenError(
                f"the {name} ensemble has {frames.shape[1]} atoms, the crystal structure {len(target.crystal)}; give "
                "the same heavy atoms"
            )


def pairwise_rmsd(first: np.ndarray, second: np.ndarray) -> float:
    """Mean root mean square distance over all pairs of frames (F, n, 3) and (G, n, 3), as they lie, Å."""
    n_atoms = first.shape[1]
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return float(np.sqrt(squared.clip(0) / n_atoms).mean())


def fluctuations(frames: np.ndarray, crystal: np.ndarray) -> np.ndarray:
    """(N,) root mean square fluctuation about the mean, Å, of frames (F, N, 3) superposed on the crystal structure."""
    laid = superpose(frames, crystal)
    return np.asarray(np.sqrt(np.square(laid - laid.mean(0)).sum(-1).mean(0)))


def wasserstein_of_gaussians(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) parts of the 2-Wasserstein distance between each atom's Gaussians, from means and from variances, Å."""
    means, covariances = zip(*(_moments(x) for x in (first, second)), strict=True)
    translation = np.linalg.norm(means[0] - means[1], axis=-1)
    product = np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(0)
    traces = np.trace(covariances[0] + covariances[1], axis1=1, axis2=2)
    return translation, np.sqrt((traces - 2 * np.sqrt(product).sum(-1)).clip(0))


def _moments(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = frames - frames.mean(0)
    return frames.mean(0), np.einsum("fni,fnj->nij", centred, centred) / len(frames)


def principal_components(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (n * 3,) and the first two axes (2, n * 3) of frames (F, n, 3)."""
    flat = frames.reshape(len(frames), -1)
    return flat.mean(0), np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:2]


def wasserstein_in(axes: tuple[np.ndarray, np.ndarray], first: np.ndarray, second: np.ndarray) -> float:
    """2-Wasserstein distance of as many frames (F, n, 3) each, projected on axes, per square root of atoms, Å."""
    mean, directions = axes
    a, b = ((x.reshape(len(x), -1) - mean) @ directions.T for x in (first, second))
    cost = np.square(a[:, None] - b[None]).sum(-1) / first.shape[1]
    rows, columns = linear_sum_assignment(cost)
    return float(np.sqrt(cost[rows, columns].mean()))


def contact_probability(frames: np.ndarray) -> np.ndarray:
    """(n, n) share of frames (F, n, 3) in which two C-alphas are closer than 8 Å."""
    total = np.zeros((frames.shape[1],) * 2)
    for frame in frames:
        total += np.linalg.norm(frame[:, None] - frame, axis=-1) < _CONTACT
    return total / len(frames)


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Size of the intersection by that of the union; NaN where both are empty."""
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else float("nan")


def _exposure(target: Target) -> tuple[float, float]:
    crystal, reference, generated = (
        target.crystal_exposure,
        target.reference_exposure,
        target.generated_exposure,
    )
    if crystal is None or reference is None or generated is None:
        return float("nan"), float("nan")
    buried = crystal < EXPOSED
    sides = [(x > EXPOSED) for x in (reference, generated)]
    shown = [(x.mean(0) > _RARE) & buried for x in sides]
    information = [mutual_information(x).ravel() for x in sides]
    constant = any(np.ptp(x) == 0 for x in information)
    return jaccard(*shown), float("nan") if constant else float(spearmanr(*information)[0])


def mutual_information(states: np.ndarray) -> np.ndarray:
    """(L, L) mutual information in nats between residues of states (F, L) of bool; 0 on the diagonal."""
    yes = states.astype(np.float64)
    options = (1 - yes, yes)
    total = np.zeros((states.shape[1],) * 2)
    for a in options:
        for b in options:
            joint, apart = a.T @ b / len(yes), np.outer(a.mean(0), b.mean(0))
            total += np.where(
                joint > 0, joint * np.log(np.where(joint > 0, joint, 1) / np.where(apart > 0, apart, 1)), 0
            )
    np.fill_diagonal(total, 0)
    return total
