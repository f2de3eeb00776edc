"""Distances and autocorrelations against closed forms and quadrature, and against the scores of the data folder."""

import sys
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import norm, vonmises

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation import distances, dynamics
from openmm_mdgen.evaluation.ensemble import equivalent_length, score_ensemble
from openmm_mdgen.evaluation.load import read_frames
from openmm_mdgen.evaluation.tica import fit_tica
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.evaluation.torsions import Torsion, backbone_pairs, torsion_angles, torsions_of
from tests.helpers.evaluate_toys import heavy_universe, two_state_chain


def quadrature_jsd(p, q, low, high, n=200_001):
    """Jensen-Shannon distance of two densities by the trapezoidal rule."""
    x = np.linspace(low, high, n)
    a, b = p(x), q(x)
    m = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.nan_to_num(a * np.log(a / m)) + np.nan_to_num(b * np.log(b / m))
    return np.sqrt(trapezoid(terms, x) / 2)


@pytest.mark.parametrize(("shift", "kappa"), [(0.7, 2.0), (2.5, 8.0), (0.05, 4.0)])
def test_jsd_of_von_mises_samples(shift, kappa):
    p, q = vonmises(4.0), vonmises(kappa, loc=shift)
    rng = np.random.default_rng(1)
    draw = [np.mod(d.rvs(400_000, random_state=rng) + np.pi, 2 * np.pi) - np.pi for d in (p, q)]
    h = distances.histograms([d[:, None] for d in draw])[:, 0]
    assert distances.jsd(h[0], h[1]) == pytest.approx(quadrature_jsd(p.pdf, q.pdf, -np.pi, np.pi), abs=0.004)


def test_jsd_of_gaussians_in_one_and_two_dimensions():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, (400_000, 2)), rng.normal([1, 0], [1.5, 1], (400_000, 2))
    expected = quadrature_jsd(norm(0, 1).pdf, norm(1, 1.5).pdf, -12, 14)
    span = distances.span_of([a], [b])
    h = [distances.histograms([x[:, :1]], 100, span[0])[0, 0] for x in (a, b)]
    assert distances.jsd(*h) == pytest.approx(expected, abs=0.005)
    joint = [distances.joint_histograms([x], [(0, 1)], span=span)[0, 0] for x in (a, b)]
    assert distances.jsd(*joint) == pytest.approx(expected, abs=0.02)  # the second column is the same in both


def test_jsd_limits():
    assert distances.jsd(np.array([1.0, 0]), np.array([0, 5.0])) == pytest.approx(np.sqrt(np.log(2)))
    assert distances.jsd(np.array([1.0, 3]), np.array([2.0, 6])) == 0
    assert np.isnan(distances.jsd(np.zeros(3), np.ones(3)))


def test_jsd_bias_of_finite_samples():
    """Two samples of n from one distribution of B bins: E[divergence] = (B - 1) / 8 * (1/n + 1/n)."""
    rng = np.random.default_rng(3)
    counts = rng.multinomial(4000, np.full(100, 0.01), size=(200, 2)).astype(float)
    divergence = distances.jsd(counts[:, 0], counts[:, 1]) ** 2
    assert divergence.mean() == pytest.approx(99 / 8 * 2 / 4000, rel=0.03)


def test_bootstrap_covers_the_spread_of_independent_repeats():
    rng = np.random.default_rng(4)
    centres = rng.normal(0, 0.4, (200, 16))
    reference = distances.histograms([rng.vonmises(0, 2, (500, 1)) for _ in range(50)])
    units = [[rng.vonmises(c, 2, (300, 1)) for c in row] for row in centres]
    values = [distances.mean_jsd(reference.sum(0), distances.histograms(u).sum(0)) for u in units]
    estimates = [distances.resample(reference, distances.histograms(u), distances.mean_jsd, 60) for u in units[:20]]
    widths = np.mean([e.high - e.low for e in estimates])
    assert widths == pytest.approx(np.ptp(np.percentile(values, [2.5, 97.5])), rel=0.4)
    assert all(e.low <= e.value <= e.high for e in estimates)


def test_single_trajectory_is_cut_into_blocks():
    parts = distances.blocks([np.arange(25)[:, None]])
    assert len(parts) == 10
    assert np.array_equal(np.concatenate(parts)[:, 0], np.arange(25))
    assert len(distances.blocks([np.zeros((5, 1))] * 3)) == 3


def ornstein_uhlenbeck(n, decay, scale, rng):
    noise = rng.standard_normal(n) * scale * np.sqrt(1 - decay**2)
    x = np.empty(n)
    x[0] = scale * rng.standard_normal()
    for k in range(1, n):
        x[k] = decay * x[k - 1] + noise[k]
    return x


def test_autocorrelation_of_ornstein_uhlenbeck_angles():
    """<cos(dtheta)> = exp(-s^2 (1 - a^lag)) for a Gaussian process of variance s^2."""
    decay, scale = 0.9, 0.8
    rng = np.random.default_rng(5)
    units = [ornstein_uhlenbeck(40_000, decay, scale, rng)[:, None] for _ in range(4)]
    lags = np.arange(31)
    raw = np.exp(-(scale**2) * (1 - decay**lags))
    limit = np.exp(-(scale**2))
    assert dynamics.autocorrelation(units, 30, normalised=False)[:, 0] == pytest.approx(raw, abs=0.01)
    curve = dynamics.autocorrelation(units, 30)
    assert curve[:, 0] == pytest.approx((raw - limit) / (1 - limit), abs=0.02)
    linear = dynamics.linear_autocorrelation(units, 30)
    assert linear[:, 0] == pytest.approx(decay**lags, abs=0.02)
    time = dynamics.relaxation_times(np.exp(-lags / 7.0)[:, None], 2.0)
    assert time == pytest.approx(14.0, rel=0.01)
    assert dynamics.relaxation_times(linear, 10.0) == pytest.approx(-10.0 / np.log(decay), rel=0.06)


def test_autocorrelation_of_unequal_replicas_is_the_plain_sum():
    rng = np.random.default_rng(6)
    units = [rng.uniform(-np.pi, np.pi, (n, 2)) for n in (7, 12, 3)]
    for lag, value in enumerate(dynamics.autocorrelation(units, 5, normalised=False)):
        pairs = np.concatenate([np.cos(u[lag:] - u[: len(u) - lag]) for u in units if len(u) > lag])
        assert value == pytest.approx(pairs.mean(0))


def test_constant_torsion_has_no_autocorrelation_and_never_relaxing_one_no_time():
    units = [np.stack([np.full(50, 0.3), np.linspace(0, 1, 50)], axis=-1)]
    curves = dynamics.autocorrelation(units, 10)
    assert np.isnan(curves[:, 0]).all()
    assert np.isfinite(curves[:, 1]).all()
    times = dynamics.relaxation_times(np.stack([np.full(5, np.nan), np.full(5, 0.9)], axis=-1), 1.0)
    assert np.isnan(times[0])
    assert times[1] == np.inf


def test_dynamical_content_finds_the_timescale_and_adds_up():
    lags = np.geomspace(1, 1e4, 81)
    content = dynamics.dynamical_content(np.exp(-lags / 100.0)[:, None], lags)[:, 0]
    middle = np.sqrt(lags[1:] * lags[:-1])
    assert middle[content.argmax()] == pytest.approx(100.0, rel=0.15)
    assert (content * np.diff(np.log10(lags))).sum() == pytest.approx(1.0, abs=0.02)


def test_values_between_frames_are_interpolated():
    curve = np.array([[1.0], [0.5], [0.0]])
    assert dynamics.at_lag(curve, 10.0, 15.0) == pytest.approx(0.25)
    assert dynamics.at_lag(curve, 10.0, 20.0) == pytest.approx(0.0)
    assert np.isnan(dynamics.at_lag(curve, 10.0, 30.0)).all()


def test_lag_beyond_the_trajectory_says_how_many_frames_are_needed():
    with pytest.raises(MDGenError, match="20 frames are too few for a lag of 30 frames; at least 31"):
        dynamics.autocorrelation([np.zeros((20, 1))], 30)


def test_shuffling_keeps_frames_together():
    unit = np.arange(40).reshape(20, 2).astype(float)
    (mixed,) = dynamics.shuffled([unit])
    assert not np.array_equal(mixed, unit)
    assert np.array_equal(mixed[np.argsort(mixed[:, 0])], unit)


def test_tica_timescale_of_a_two_state_torsion():
    """A torsion that flips with probabilities a and b has one timescale, -1 / ln(1 - a - b) steps."""
    rng = np.random.default_rng(7)
    leave = (0.02, 0.05)
    units = []
    for _ in range(4):
        slow = two_state_chain(20_000, leave, rng) * 2.0
        units.append(np.stack([slow, rng.vonmises(0, 3, 20_000)], axis=-1))
    tica = fit_tica(units, lag=5, dt=10.0)
    assert tica.timescales[0] == pytest.approx(-10.0 / np.log(1 - sum(leave)), rel=0.1)
    slow = tica.project(units, 1)[0][:, 0]
    assert abs(np.corrcoef(slow, units[0][:, 0])[0, 1]) > 0.999


def test_tica_refuses_short_and_rigid_references():
    with pytest.raises(MDGenError, match="11 frames of 10 ps are too few for a TICA lag of 100 ps; at least 12"):
        fit_tica([np.zeros((11, 2))], 10, 10.0)
    with pytest.raises(MDGenError, match="no torsion of the reference moves"):
        fit_tica([np.full((100, 2), 0.7)], 10, 10.0)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "deeptime.decomposition", None)
    with pytest.raises(MDGenError, match=r"evaluate needs deeptime, which is missing; pip install 'openmm-mdgen\[eval"):
        fit_tica([np.random.default_rng(0).normal(size=(100, 2))], 10, 10.0)


def test_length_that_scores_the_same():
    lengths, scores = [1.0, 10.0, 100.0], [0.3, 0.2, 0.1]
    assert equivalent_length(lengths, scores, 0.15) == pytest.approx(10**1.5)
    assert equivalent_length(lengths, scores, 0.05) == np.inf
    assert equivalent_length(lengths, scores, 0.5) == 0
    assert np.isnan(equivalent_length(lengths, scores, float("nan")))


def test_scores_of_a_molecule_without_side_chains_are_undefined_not_zero():
    rng = np.random.default_rng(8)
    torsions = [Torsion("phi", 1, "ALA", (0, 1, 2, 3)), Torsion("psi", 1, "ALA", (1, 2, 3, 4))]
    units = [rng.vonmises(0, 2, (300, 2)) for _ in range(3)]
    scores = score_ensemble(units, units, torsions, n_bootstrap=20)
    assert scores.backbone.value == 0
    assert np.isnan(scores.side_chains.value)
    assert np.isnan(scores.tica_0.value)
    assert backbone_pairs(torsions) == [(0, 1)]


def test_proline_and_glycine_torsions(data: Path):
    qgre = topology_of(heavy_universe(data / "QGRE.pdb").atoms)
    assert [t.kind for t in qgre.torsions if t.resname == "GLY"] == ["phi", "psi"]
    index = {(0, n): k for k, n in enumerate(("N", "CA", "C", "CB", "CG", "CD"))}
    assert [t.kind for t in torsions_of(index, ["PRO"])] == ["chi1", "chi2"]


def test_torsions_and_scores_agree_with_the_data_folder(shared: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(shared / "metrics"))
    import torsions as judge

    folder = shared / "data" / "tetrapeptides" / "test" / "PGKM"
    names, expected = judge.torsions(folder, "r0[0-3].xtc")
    universe = mda.Universe(folder / "heavy.pdb")
    topology = topology_of(heavy_atoms(universe.atoms))
    assert [(t.kind, t.residue, t.resname) for t in topology.torsions] == names
    frames = [read_frames(universe.load_new(str(folder / f"r0{r}.xtc"))) for r in range(4)]
    angles = [torsion_angles(f, topology.torsions) for f in frames]
    assert np.abs(np.exp(1j * np.array(angles)) - np.exp(1j * expected)).max() < 1e-5
    scores = score_ensemble(angles[:2], angles[2:], topology.torsions, n_bootstrap=0)
    for k, torsion in enumerate(topology.torsions):
        assert scores.torsions[torsion.label] == pytest.approx(
            judge.jsd(expected[:2, :, k], expected[2:, :, k]), abs=1e-3
        )
    for lag in (1, 10, 100):
        mine = dynamics.autocorrelation(angles, lag)[lag]
        assert mine == pytest.approx(judge.autocorrelation(expected, lag), abs=1e-5)


def test_floor_and_shuffled_copy_of_md(shared: Path):
    """MD's first 8 replicas against the other 8 give 0.08; a shuffled copy keeps that and loses its dynamics."""
    folder = shared / "data" / "tetrapeptides" / "test" / "EHEV"
    universe = mda.Universe(folder / "heavy.pdb")
    topology = topology_of(heavy_atoms(universe.atoms))
    files = sorted(folder.glob("r??.xtc"))
    angles = [torsion_angles(read_frames(universe.load_new(str(f))), topology.torsions) for f in files]
    floor = score_ensemble(angles[8:], angles[:8], topology.torsions, n_bootstrap=0)
    assert floor.all_torsions.value == pytest.approx(0.08, abs=0.01)
    mixed = dynamics.shuffled(angles[:8])
    copied = score_ensemble(angles[8:], mixed, topology.torsions, n_bootstrap=0)
    assert copied.all_torsions.value == floor.all_torsions.value  # bounds without a bootstrap are no numbers
    curves = [dynamics.autocorrelation(u, 1)[1] for u in (angles[8:], angles[:8], mixed)]
    assert np.abs(curves[1] - curves[0]).mean() < 0.06
    assert np.abs(curves[2] - curves[0]).mean() > 0.3
