"""The metrics of ATLAS, each on a case with a known answer."""

import numpy as np
import pytest
from click.testing import CliRunner
from MDAnalysis import Writer

from openmm_mdgen.cli.atlas import command
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.evaluation.atlas import (
    EXPOSED,
    Target,
    contact_probability,
    fluctuations,
    jaccard,
    mutual_information,
    pairwise_rmsd,
    principal_components,
    random_frames,
    score_target,
    wasserstein_in,
    wasserstein_of_gaussians,
)
from openmm_mdgen.evaluation.atlas_table import METRICS, published_rows, score_folders, side_chain_areas, summarize
from tests.helpers.tiny import moving_universe


def line(n: int = 30) -> np.ndarray:
    """(n, 3) points on a bent line, 3.8 Å apart."""
    angle = np.arange(n) * 0.5
    return np.stack([8 * np.cos(angle), 8 * np.sin(angle), 2.0 * np.arange(n)], -1)


def shaken(width: float, n_frames: int = 200, seed: int = 0, atoms: int = 30) -> np.ndarray:
    return line(atoms) + np.random.default_rng(seed).normal(0, width, (n_frames, atoms, 3))


def target(reference: np.ndarray, generated: np.ndarray, **more) -> Target:
    n = reference.shape[1]
    return Target(line(n), reference, generated, np.arange(0, n, 2), **more)


def test_pairwise_rmsd_of_known_frames():
    still, moved = np.zeros((1, 4, 3)), np.zeros((1, 4, 3))
    moved[0, :, 0] = 3.0
    assert pairwise_rmsd(still, moved) == pytest.approx(3.0)
    both = np.concatenate([still, moved])
    assert pairwise_rmsd(both, both) == pytest.approx(1.5)


def test_fluctuations_are_those_of_mdtraj():
    mdtraj = pytest.importorskip("mdtraj")
    frames = shaken(0.3)
    frames[:, 3] += [0.0, 0.0, 4.0]  # fluctuations are about the mean, wherever the crystal structure is
    topology = mdtraj.Topology()
    residue = topology.add_residue("ALA", topology.add_chain())
    for _ in range(frames.shape[1]):
        topology.add_atom("C", mdtraj.element.carbon, residue)
    expected = (
        mdtraj.rmsf(mdtraj.Trajectory(frames / 10, topology), mdtraj.Trajectory(line()[None] / 10, topology)) * 10
    )
    np.testing.assert_allclose(fluctuations(frames, line()), expected, rtol=1e-3)


def test_wasserstein_distance_of_gaussians():
    rng = np.random.default_rng(0)
    base = rng.normal(0, 1, (400, 5, 3))
    base = (base - base.mean(0)) / base.std(0)
    translation, variance = wasserstein_of_gaussians(base, base + np.array([0.0, 0.0, 2.0]))
    np.testing.assert_allclose(translation, 2.0)
    np.testing.assert_allclose(variance, 0.0, atol=1e-6)
    translation, variance = wasserstein_of_gaussians(base, 3 * base)
    np.testing.assert_allclose(translation, 0.0, atol=1e-9)
    covariance = np.einsum("fni,fnj->nij", base, base) / len(base)
    np.testing.assert_allclose(variance, 2 * np.sqrt(np.trace(covariance, axis1=1, axis2=2)), rtol=1e-6)


def test_wasserstein_distance_along_components():
    frames = np.zeros((50, 4, 3))
    frames[:, :, 0] = np.linspace(-5, 5, 50)[:, None]
    frames[:, :2, 1] = np.linspace(-1, 1, 50)[::-1, None] ** 2
    axes = principal_components(frames)
    assert abs(axes[1][0].reshape(4, 3)[:, 0]).min() > 0.4
    moved = frames.copy()
    moved[:, :, 0] += 2.0
    assert wasserstein_in(axes, frames, moved) == pytest.approx(2.0, rel=0.02)
    assert wasserstein_in(axes, frames, frames[::-1]) == pytest.approx(0.0, abs=1e-9)


def test_contacts():
    near, far = np.array([[0.0, 0, 0], [7.9, 0, 0]]), np.array([[0.0, 0, 0], [8.1, 0, 0]])
    assert contact_probability(np.stack([near, near, far, far]))[0, 1] == pytest.approx(0.5)
    assert jaccard(np.array([1, 1, 0], bool), np.array([0, 1, 1], bool)) == pytest.approx(1 / 3)
    assert np.isnan(jaccard(np.zeros(3, bool), np.zeros(3, bool)))


def test_weak_and_transient_contacts():
    """A contact of the crystal that is there half of the time is weak; one that is not in it is transient."""
    crystal = np.array([[0.0, 0, 0], [6.0, 0, 0], [12.0, 0, 0], [12, 20, 0], [0, 20, 5], [30, 3, 3]])
    frames = np.repeat(crystal[None], 40, 0) + np.random.default_rng(0).normal(0, 0.01, (40, 6, 3))
    frames[::2, 1] += [-4.0, 0, 0]  # leaves atom 2, 10 Å from it
    scores = score_target(Target(crystal, frames, frames[:20], np.arange(6)))
    assert scores.weak_contacts == pytest.approx(1.0)
    apart = np.repeat(crystal[None], 40, 0) + np.random.default_rng(1).normal(0, 0.01, (40, 6, 3))
    assert score_target(Target(crystal, frames, apart, np.arange(6))).weak_contacts == 0.0
    frames[::2, 5] = [14.0, 3, 3]
    assert score_target(Target(crystal, frames, frames, np.arange(6))).transient_contacts == pytest.approx(1.0)
    assert score_target(Target(crystal, frames, apart, np.arange(6))).transient_contacts == 0.0


def test_mutual_information():
    rng = np.random.default_rng(0)
    one, other = rng.random(20_000) < 0.5, rng.random(20_000) < 0.5
    found = mutual_information(np.stack([one, one, ~one, other, np.ones_like(one)], 1))
    assert found[0, 1] == pytest.approx(np.log(2), abs=1e-3) == found[0, 2]
    assert found[0, 3] == pytest.approx(0, abs=1e-3) and found[0, 4] == 0 and not np.diag(found).any()


def test_exposure():
    crystal = np.array([0.0, 0.0, 50.0, 0.0])
    rng = np.random.default_rng(0)
    opened = rng.random(100) < 0.5
    areas = np.stack([opened * 9.0, opened * 9.0, np.full(100, 50.0), (rng.random(100) < 0.3) * 9.0], 1)
    same = score_target(target(shaken(0.5), shaken(0.5, 100, 1), **exposures(crystal, areas, areas)))
    assert same.exposed_residues == 1.0 and same.exposed_mutual_information == pytest.approx(1.0)
    closed = areas.copy()
    closed[:, 0] = EXPOSED / 2
    less = score_target(target(shaken(0.5), shaken(0.5, 100, 1), **exposures(crystal, areas, closed)))
    assert less.exposed_residues == pytest.approx(2 / 3)


def exposures(crystal, reference, generated):
    return {"crystal_exposure": crystal, "reference_exposure": reference, "generated_exposure": generated}


def test_an_ensemble_like_md_scores_well_and_one_that_is_wider_does_not():
    widths = np.linspace(0.2, 1.0, 30)[None, :, None]
    rng = np.random.default_rng(0)
    md, like = (line() + rng.normal(0, 1, (300, 30, 3)) * widths for _ in range(2))
    wide = line() + rng.normal(0, 1, (300, 30, 3)) * 2
    good, bad = score_target(target(md, like)), score_target(target(md, wide))
    assert good.rmsf_r > 0.95 > bad.rmsf_r
    assert good.pairwise_rmsd == pytest.approx(good.md_pairwise_rmsd, rel=0.05)
    assert good.rmwd < 0.2 < bad.rmwd and good.md_pca_w2 < 0.3 < bad.md_pca_w2
    assert good.joint_pca_w2 < bad.joint_pca_w2
    assert np.isnan(good.exposed_residues)
    assert good.rmwd == pytest.approx(np.hypot(good.rmwd_translation, good.rmwd_variance))


def test_a_moved_and_turned_ensemble_scores_alike():
    turned = shaken(0.5, seed=1) @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]) + 7
    a, b = score_target(target(shaken(0.5), shaken(0.5, seed=1))), score_target(target(shaken(0.5), turned))
    assert a.rmwd == pytest.approx(b.rmwd, rel=1e-5) and a.md_pca_w2 == pytest.approx(b.md_pca_w2, rel=1e-5)


def test_over_targets():
    scores = [score_target(target(shaken(w, seed=k), shaken(w, seed=k + 9))) for k, w in enumerate((0.2, 0.5, 1.0))]
    made = summarize(scores)
    assert set(made) == set(METRICS)
    assert made["pairwise RMSD r"] > 0.99 and made["global RMSF r"] > 0.9
    assert made["pairwise RMSD"] == pytest.approx(sorted(s.pairwise_rmsd for s in scores)[1])
    assert made["% PC-sim > 0.5"] == pytest.approx(100 * np.mean([s.cosine > 0.5 for s in scores]))


def test_published_rows_are_named_as_published():
    rows = {row.system: row for row in published_rows()}
    assert {"MDGen", "AlphaFlow", "MSA subsampling", "ConfRover", "BioKinema"} <= set(rows)
    assert rows["AlphaFlow"].values["per-target RMSF r"] == "0.85"
    known = set(METRICS) | {"state recall, 100 ns trajectories", "validity %, 100 ns trajectories"}
    assert all(set(row.values) <= known and row.sources for row in rows.values())


@pytest.mark.parametrize(
    ("reference", "generated", "message"),
    [
        (shaken(0.5, 1), shaken(0.5), "reference ensemble has 1 frames"),
        (shaken(0.5), shaken(0.5, atoms=29), "generated ensemble has 29 atoms, the crystal structure 30"),
    ],
)
def test_ensembles_that_do_not_fit(reference, generated, message):
    with pytest.raises(MDGenError, match=message):
        score_target(target(reference, generated))


def test_random_frames_are_the_same_each_time():
    one, two = random_frames(100, 20), random_frames(100, 20)
    assert np.array_equal(one.first, two.first) and len(one.many) == 1000 and one.second.shape == (20,)


def folders(tmp_path, name: str = "QGRE"):
    """MD laid out as ATLAS, and an ensemble of it as PDB models."""
    universe = moving_universe(name, 12)
    (tmp_path / "md" / name).mkdir(parents=True)
    (tmp_path / "made").mkdir(exist_ok=True)
    universe.trajectory[0]
    universe.atoms.write(str(tmp_path / "md" / name / f"{name}.pdb"))
    for replica in (1, 2):
        with Writer(str(tmp_path / "md" / name / f"{name}_R{replica}.xtc"), universe.atoms.n_atoms) as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)
    with Writer(str(tmp_path / "made" / f"{name}.pdb"), multiframe=True) as writer:
        for _ in universe.trajectory[::2]:
            writer.write(universe.select_atoms("not name H*"))
    return tmp_path / "md", tmp_path / "made"


@pytest.mark.filterwarnings("ignore")
def test_one_command_over_a_folder_of_targets(tmp_path):
    for name in ("QGRE", "NDKMF"):
        md, made = folders(tmp_path, name)
    result = CliRunner().invoke(command, [str(md), str(made), "--no-exposure", "-o", str(tmp_path / "table.md")])
    assert result.exit_code == 0, result.output
    assert "2 targets" in result.output and "| QGRE |" in result.output and "AlphaFlow" in result.output
    assert "| pairwise RMSD (MD " in result.output and "| pairwise RMSD r |  | 0.48 |" in result.output
    assert (tmp_path / "table.md").read_text().strip() == result.output.strip()
    scores = score_folders(md, made, exposure=False)
    assert scores["QGRE"].rmsf_r > 0.9


@pytest.mark.filterwarnings("ignore")
def test_targets_that_lack_something(tmp_path):
    md, made = folders(tmp_path)
    with pytest.raises(MDGenError, match=r"holds no .pdb files"):
        score_folders(md, md.parent / "md", exposure=False)
    (made / "XXXX.pdb").write_text((made / "QGRE.pdb").read_text())
    with pytest.raises(MDGenError, match="needed for target XXXX"):
        score_folders(md, made, exposure=False)


@pytest.mark.filterwarnings("ignore")
def test_side_chains_are_exposed_and_glycine_has_none():
    pytest.importorskip("mdtraj")
    atoms = moving_universe("QGRE", 2).select_atoms("not name H*")
    areas = side_chain_areas(atoms, atoms.positions[None])
    assert areas.shape == (1, 4) and areas[0, 1] == 0 and (areas[0, [0, 2, 3]] > 50).all()
