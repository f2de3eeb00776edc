"""Every row of the table of ATLAS on ensembles whose answer can be written down.

The atoms are a cloud that looks the same in all eight octants. Stretched along its axes it is not turned by
superposition, so a stretch of 1 + e moves every atom by e times its place, and all distances follow from e.
"""

from itertools import product

import numpy as np
import pytest

from openmm_mdgen.evaluation.atlas import Target, TargetScores, mutual_information, score_target
from openmm_mdgen.evaluation.atlas_table import METRICS, summarize

SIGNS = np.array(list(product((1.0, -1.0), repeat=3)))
CLOUD = np.concatenate([SIGNS * base for base in ([9.0, 5.0, 2.0], [4.0, 7.0, 3.0], [6.0, 2.0, 8.0])])
SIZE = float(np.sqrt(np.square(CLOUD).sum(-1).mean()))  # Å, radius of gyration
LITTLE = np.linspace(-0.001, 0.001, 200)
ALL, X, Y = np.ones(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])


def stretched(e: np.ndarray, axes: np.ndarray = ALL) -> np.ndarray:
    """(F, N, 3) the cloud stretched by 1 + e along axes."""
    return CLOUD * (1 + e[:, None, None] * axes)


def scores(md: np.ndarray, made: np.ndarray, **more: np.ndarray) -> TargetScores:
    return score_target(Target(CLOUD, md, made, np.arange(len(CLOUD)), **more))


def mixed(width: float, axes: np.ndarray = ALL) -> np.ndarray:
    """Half of the frames stretched by 1 - width, half by 1 + width."""
    return stretched(np.tile([-width, width], 100), axes)


def pairwise() -> tuple[float, float]:
    made = [scores(mixed(0.02), mixed(width)) for width in (0.02, 0.03, 0.04)]
    return summarize(made)["pairwise RMSD"], 0.03 * SIZE  # half of the pairs are 2 widths apart


def pairwise_r() -> tuple[float, float]:
    """MD of width w, ensembles of width 0.1 - w: the wider the one, the narrower the other."""
    made = [scores(mixed(width), mixed(0.1 - width)) for width in (0.02, 0.05, 0.08)]
    return summarize(made)["pairwise RMSD r"], -1.0


def global_rmsf_r() -> tuple[float, float]:
    """Two targets that are each right up to a factor, which differs: 1 for either, not for both together."""
    made = [scores(mixed(0.02), mixed(0.02)), scores(mixed(0.02), mixed(0.06))]
    far = np.linalg.norm(CLOUD, axis=-1)
    expected = np.corrcoef(np.concatenate([far, far]), np.concatenate([far, 3 * far]))[0, 1]
    return summarize(made)["global RMSF r"], float(expected)


def per_target_rmsf_r() -> tuple[float, float]:
    """The MD moves along x, the ensemble along y: how alike the atoms' |x| and |y| are."""
    made = [scores(mixed(0.02, X), mixed(0.02, Y))] * 2
    return summarize(made)["per-target RMSF r"], float(np.corrcoef(np.abs(CLOUD[:, :2]).T)[0, 1])


def rmwd() -> tuple[float, float]:
    """Means 0.03 apart, deviations 0.04 apart: five hundredths of every place."""
    made = scores(stretched(LITTLE), stretched(np.tile([-0.01, 0.07], 100)))
    return summarize([made])["RMWD"], 0.05 * SIZE


def rmwd_translation() -> tuple[float, float]:
    return summarize([scores(stretched(LITTLE), stretched(LITTLE + 0.1))])["RMWD translation"], 0.1 * SIZE


def rmwd_variance() -> tuple[float, float]:
    return summarize([scores(stretched(LITTLE), mixed(0.1))])["RMWD variance"], 0.1 * SIZE


def md_pca() -> tuple[float, float]:
    """Stretched along y and, twice as far, along x, where alone the MD moves: only x is seen."""
    moved = CLOUD * (1 + np.array([0.1, 0.05, 0])) + 0 * LITTLE[:, None, None]
    made = scores(stretched(LITTLE, X), moved + stretched(LITTLE, X) - CLOUD)
    return summarize([made])["MD-PCA W2"], 0.1 * float(np.sqrt(np.square(CLOUD[:, 0]).mean()))


def joint_pca() -> tuple[float, float]:
    """Apart along y, which the MD's own components do not show but those of both do."""
    made = scores(stretched(LITTLE, X), stretched(LITTLE, X) + 0.1 * CLOUD * Y)
    assert made.md_pca_w2 < 0.02 * SIZE
    return summarize([made])["joint-PCA W2"], 0.1 * float(np.sqrt(np.square(CLOUD[:, 1]).mean()))


def pc_sim() -> tuple[float, float]:
    along = [(X, X), (X, Y), (Y, Y), (Y, X)]
    return summarize([scores(mixed(0.02, a), mixed(0.02, b)) for a, b in along])["% PC-sim > 0.5"], 50.0


def contacts(crystal: float, md: list[float], made: list[float]) -> TargetScores:
    """Two C-alphas at a distance that is told, and two pairs far away that always touch, or touch in the MD only."""
    fixed = np.array([[0, 40.0, 0], [0, 46.0, 0], [0, 80.0, 0], [0, 100.0, 0], [60.0, 60, 60], [-60.0, 30, -60]])

    def frames(distances: list[float]) -> np.ndarray:
        pair = np.array([[[-d / 2, 0, 0], [d / 2, 0, 0]] for d in distances])
        noise = np.random.default_rng(0).normal(0, 1e-3, (len(distances), 8, 3))
        return np.concatenate([pair, np.repeat(fixed[None], len(distances), 0)], 1) + noise

    return score_target(Target(frames([crystal])[0], frames(md), frames(made), np.arange(8)))


def weak() -> tuple[float, float]:
    """A contact of the crystal that both lose in half of the frames; then one that the ensemble keeps."""
    half = [6.0, 9.0] * 50
    made = [contacts(6.0, half, half), contacts(6.0, half, [6.0] * 100), contacts(6.0, half, half)]
    assert made[1].weak_contacts == 0.0
    return summarize(made)["weak contacts J"], 1.0


def transient() -> tuple[float, float]:
    half = [9.0, 6.0] * 50
    made = [contacts(9.0, half, half), contacts(9.0, half, [9.0] * 100), contacts(9.0, half, [9.0] * 100)]
    assert made[0].transient_contacts == 1.0
    return summarize(made)["transient contacts J"], 0.0


def exposure(md: np.ndarray, made: np.ndarray, buried: np.ndarray) -> TargetScores:
    return scores(mixed(0.02), mixed(0.02), crystal_exposure=buried, reference_exposure=md, generated_exposure=made)


def exposed() -> tuple[float, float]:
    """Of three residues that are buried in the crystal the MD opens two and the ensemble two, one of them the same."""
    open_, shut = np.full(100, 9.0), np.zeros(100)
    md = np.stack([open_, open_, shut, open_], 1)
    made = np.stack([open_, shut, open_, open_], 1)
    return summarize([exposure(md, made, np.array([0, 0, 0, 50.0]))])["exposed residue J"], 1 / 3


def information() -> tuple[float, float]:
    """Pairs of residues that open together in the MD do so in the ensemble in the same order of strength."""
    rng = np.random.default_rng(0)
    one = rng.random(4000) < 0.5
    areas = np.stack([one, one, np.where(rng.random(4000) < 0.2, ~one, one), rng.random(4000) < 0.5], 1) * 9.0
    found = mutual_information(areas > 2)
    assert found[0, 1] == pytest.approx(np.log(2), rel=0.01)
    flip = 0.2 * np.log(0.2) + 0.8 * np.log(0.8)
    assert found[0, 2] == pytest.approx(np.log(2) + flip, rel=0.1)
    return summarize([exposure(areas, areas, np.zeros(4))])["exposed MI rho"], 1.0


KNOWN = {
    "pairwise RMSD": pairwise,
    "pairwise RMSD r": pairwise_r,
    "global RMSF r": global_rmsf_r,
    "per-target RMSF r": per_target_rmsf_r,
    "RMWD": rmwd,
    "RMWD translation": rmwd_translation,
    "RMWD variance": rmwd_variance,
    "MD-PCA W2": md_pca,
    "joint-PCA W2": joint_pca,
    "% PC-sim > 0.5": pc_sim,
    "weak contacts J": weak,
    "transient contacts J": transient,
    "exposed residue J": exposed,
    "exposed MI rho": information,
}


@pytest.mark.parametrize("metric", METRICS)
def test_known_answer(metric: str) -> None:
    made, expected = KNOWN[metric]()
    assert made == pytest.approx(expected, rel=0.04, abs=1e-3)
