"""One molecule with places, from its MD to frames: training, weights, simulation, integrator, chained windows."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen.cli import group
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator import GenerativeIntegrator
from openmm_mdgen.network.velocity import VelocityNetwork, held
from openmm_mdgen.tokens.places import N_PLACE
from openmm_mdgen.tokens.tokens import N_CHANNELS, Conditioning, sequence_to_indices
from openmm_mdgen.train.cache import build_cache
from openmm_mdgen.train.places import PlacesConfig, anchor_atoms, measured, turned_rings, with_places
from openmm_mdgen.train.windows import WindowConfig
from openmm_mdgen.weights.checkpoint import load_task, read_weights, save_weights
from tests.helpers.tiny import DATA, internal, moving, moving_universe
from tests.test_molecule import write

SIMULATED = 70  # frames: more than a window


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("md")
    write(folder / "md", "ITVLHC", n_frames=60)
    return build_cache([folder / "md"], folder / "cache", temperature=300)


@pytest.fixture(scope="module")
def tiny():
    return read_weights(DATA / "tiny-inpaint.safetensors")


def test_anchors_are_the_alphas_of_the_frames(cache):
    chain = internal("ITVLHC")
    atoms = [chain.backbone[k] for k in chain.anchors]
    frames = torch.from_numpy(moving("ITVLHC", 60))[:, atoms]
    rebuilt = anchor_atoms(torch.from_numpy(np.array(cache.frames(cache.segments[0]))).double(), chain.residue_types)
    for a, b in ((0, 5), (1, 3)):
        apart = [(x[:, a] - x[:, b]).square().sum(-1).sqrt() for x in (frames, rebuilt)]
        torch.testing.assert_close(apart[0], apart[1], atol=0.02, rtol=0)  # XTC keeps 0.01 Å


def test_batches_have_places_that_count_where_they_are_not_given(cache, tiny):
    config = PlacesConfig(n_frames=16, n_tokens=6 * 16 * 4, intervals=(10.0,), interval_weights=(1.0,))
    start = config.adopted(tiny, cache)
    batch = config.windows(cache, start.tables).draw(0, 0)
    assert batch.tokens.shape == (4, 16, 6, N_CHANNELS + N_PLACE)
    given = batch.conditioning.given
    assert bool((batch.counts[..., -N_PLACE:] == ~given.unsqueeze(-1)).all())
    assert batch.conditioning.exists.shape == (4, 6, N_CHANNELS + N_PLACE)
    places = batch.tokens[..., -N_PLACE:]
    assert 0.3 < float(places.square().mean().sqrt()) < 4
    batches = [config.windows(cache, start.tables).draw(0, k) for k in range(12)]  # few windows are disturbed
    away = torch.cat([(b.conditioning.values - b.tokens)[..., -N_PLACE:] for b in batches])
    assert 0 < float(away.abs().amax()) < 6 * config.shaken


def test_rings_that_are_the_same_both_ways_are_learned_both_ways():
    sequence = sequence_to_indices(("TYR", "TRP", "PHE", "ASP")).expand(40, -1)
    internal = torch.zeros(40, 3, 4, 16)
    turned = turned_rings(internal, sequence, np.random.default_rng(0))
    chi = turned[..., 4]
    assert bool((turned.sum(-1) == chi).all()) and bool((chi == chi[:, :1]).all())  # chi2 alone, of whole windows
    assert bool((chi[..., [1, 3]] == 0).all())
    for ring in (0, 2):
        share = float((chi[:, 0, ring] - torch.pi).abs().lt(1e-6).float().mean())
        assert 0.2 < share < 0.8 and share == 1 - float((chi[:, 0, ring] == 0).float().mean())


def test_the_network_starts_as_the_one_that_knows_no_places(cache, tiny):
    more = with_places(tiny, measured(cache))
    old, new = VelocityNetwork(tiny.config).eval(), VelocityNetwork(more.config).eval()
    old.load_state_dict(tiny.state), new.load_state_dict(more.state)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 8, 6, N_CHANNELS + N_PLACE, generator=generator)
    told = Conditioning(
        sequence=more.tables["sequence"].expand(2, -1),
        exists=torch.ones(2, 6, N_CHANNELS + N_PLACE, dtype=torch.bool),
        given=torch.zeros(2, 8, 6, dtype=torch.bool).index_fill(1, torch.tensor([0]), True),
        values=torch.randn(x.shape, generator=generator),
        interval=torch.full((2,), 10.0),
    )
    less = told._replace(exists=told.exists[..., :N_CHANNELS], values=told.values[..., :N_CHANNELS])
    with torch.no_grad():
        got, expected = new(x, torch.full((2,), 0.5), told), old(x[..., :N_CHANNELS], torch.full((2,), 0.5), less)
    torch.testing.assert_close(got[..., :N_CHANNELS], expected, atol=1e-5, rtol=0)
    assert float(got[..., N_CHANNELS:].abs().amax()) == 0


def test_every_frame_is_told_where_residues_were_when_they_were_last_known():
    values = torch.arange(6.0)[None, :, None, None].expand(1, 6, 2, N_PLACE)
    given = torch.zeros(1, 6, 2, dtype=torch.bool)
    given[:, 1], given[:, 5] = True, True
    assert held(values, given)[0, :, 0, 0].tolist() == [1, 1, 1, 1, 5, 5]
    assert bool((held(0 * values, torch.zeros_like(given)) == 0).all())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write(folder / "md", n_frames=200)
    command = ["train", str(folder / "md"), "--molecule", "--network", "places", "--temperature", "300", "--steps", "2"]
    command += ["--every", "2", "--init", str(DATA / "tiny-inpaint.safetensors"), "--accelerator", "cpu"]
    result = CliRunner().invoke(group, [*command, "--devices", "1", "-o", str(folder / "run")])
    assert result.exit_code == 0, result.output
    assert "torsions and places" in result.output and "verdict" in result.output
    return folder / "run"


@pytest.fixture(scope="module")
def weights(run):
    return run / "model.safetensors"


@pytest.mark.filterwarnings("ignore")
def test_weights_say_what_they_are_of(weights):
    found = read_weights(weights)
    assert found.config.places == 4 and not found.config.inpaints
    assert found.lengths == (4, 4)
    assert load_task(weights).tasks == ("simulate", "interpolate", "unconditional")
    assert load_task(weights).places.residue_types == ("GLN", "GLY", "ARG", "GLU")


def test_simulation_is_chained_and_seekable(weights):
    universe = openmm_mdgen.simulate(DATA / "QGRE.pdb", 10.0 * SIMULATED, model=str(weights), seed=1, temperature=300)
    frames = np.array([ts.positions.copy() for ts in universe.trajectory])
    assert np.isfinite(frames).all() and len(frames) >= SIMULATED
    again = openmm_mdgen.simulate(DATA / "QGRE.pdb", 10.0 * SIMULATED, model=str(weights), seed=1, temperature=300)
    for k in (SIMULATED - 1, 3):
        again.trajectory[k]
        np.testing.assert_array_equal(again.atoms.positions, frames[k])


def test_frames_lie_at_their_places(weights):
    """What is decoded and encoded again has the places that were asked for, within what they are taken to be wrong."""
    task = load_task(weights)
    from openmm_mdgen.convert.structures import load_structure

    bound = task.bind(load_structure(DATA / "QGRE.pdb"), 10.0)
    tokens = bound.atoms.encode(torch.from_numpy(moving("QGRE", 8)))
    shaken = tokens.clone()
    shaken[..., :6] += 0.3 * torch.randn(shaken[..., :6].shape, generator=torch.Generator().manual_seed(0)).double()
    back = bound.atoms.encode(bound.atoms.decode(shaken[None], [0])[0])
    off = (back - tokens)[..., -N_PLACE:] * task.places.spread[:, None]
    assert float(off.square().sum(-1).mean().sqrt()) < 0.25  # Å


def test_paths_and_free_trajectories(weights):
    start, end = (moving("QGRE", 8)[k] for k in (0, 7))
    one, two = (moving_universe("QGRE", 1) for _ in range(2))
    one.atoms.positions, two.atoms.positions = start, end
    paths = openmm_mdgen.interpolate(one, two, time=300.0, n_paths=1, model=str(weights), seed=0, temperature=300)
    assert np.isfinite(np.array([ts.positions.copy() for ts in paths[0].trajectory])).all()


def test_the_integrator_takes_them(weights):
    pdb = app.PDBFile(str(DATA / "QGRE.pdb"))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds)
    integrator = GenerativeIntegrator(pdb.topology, temperature=300 * unit.kelvin, model=str(weights), seed=1)
    simulation = app.Simulation(pdb.topology, system, integrator)
    simulation.context.setPositions(pdb.positions)
    simulation.step(2500 * 3)
    moved = simulation.context.getState(positions=True).getPositions(asNumpy=True) / unit.angstrom
    assert np.isfinite(moved).all()


def test_another_molecule_is_refused(weights):
    with pytest.raises(MDGenError, match="knows one molecule, GLN-GLY-ARG-GLU, not "):
        universe = openmm_mdgen.simulate(DATA / "NDKMF.pdb", 100.0, model=str(weights), temperature=300)
        universe.trajectory[0]


def test_they_go_on_from_their_own_weights_only_with_their_molecule(weights, cache, tiny):
    found = read_weights(weights)
    with pytest.raises(MDGenError, match="--init names a model of GLN-GLY-ARG-GLU, the data are of "):
        PlacesConfig().adopted(found, cache)
    with pytest.raises(MDGenError, match="go on with --molecule"):
        WindowConfig().adopted(found, cache)
    again = with_places(tiny, measured(cache))
    assert PlacesConfig().adopted(again, cache) is again


def test_several_molecules_have_no_common_places(tmp_path, tiny):
    write(tmp_path / "md" / "a", n_frames=50), write(tmp_path / "md" / "b", "NDKMF", n_frames=50)
    both = build_cache([tmp_path / "md"], tmp_path / "cache", temperature=300)
    with pytest.raises(MDGenError, match="the data are of 2 molecules"):
        PlacesConfig().adopted(tiny, both)


def test_round_trip_of_the_file(weights, tmp_path):
    found = read_weights(weights)
    save_weights(tmp_path / "half.safetensors", found, dtype=torch.float16)
    again = read_weights(tmp_path / "half.safetensors")
    assert all(torch.equal(again.tables[k], v) for k, v in found.tables.items())
    assert again.config == found.config


def test_places_need_one_molecule(tmp_path):
    write(tmp_path / "md")
    result = CliRunner().invoke(
        group, ["train", str(tmp_path / "md"), "--network", "places", "-o", str(tmp_path / "run")]
    )
    assert "give --molecule too" in str(result.exception)
