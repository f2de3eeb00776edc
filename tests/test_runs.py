"""Backbones of long chains in short runs."""

import numpy as np
import torch

from openmm_mdgen.geometry.runs import BackboneRuns
from tests.helpers.tiny import coordinates
from tests.helpers.toys_protein import adk_structure


def test_runs_give_back_the_backbone_that_their_coordinates_came_from():
    structure = adk_structure()
    internal = coordinates(structure)
    positions = torch.from_numpy(structure.positions.copy())[None]
    runs = BackboneRuns(internal)
    true = positions[:, runs.atoms]
    bent = true + torch.from_numpy(np.random.default_rng(0).normal(0, 0.3, true.shape))
    built = runs.backbone(internal.encode(positions), bent)
    assert runs.places.shape[1] == 24 and len(runs.places) > 40
    assert float((built - true).norm(dim=-1).mean()) < 0.25
    whole = internal.decode_around(built, internal.encode(positions), internal.geometry(positions[0]))
    assert torch.isfinite(whole).all()
    torch.testing.assert_close(
        internal.encode(whole)[..., 7:10], internal.encode(positions)[..., 7:10], atol=0.01, rtol=0
    )


def test_a_pull_brings_the_backbone_to_its_target_and_keeps_bonds():
    structure = adk_structure()
    internal = coordinates(structure)
    values = internal.encode(torch.from_numpy(structure.positions.copy())[None])
    turned = values.clone()
    turned[..., 1:3] += torch.from_numpy(np.random.default_rng(1).normal(0, 0.2, turned[..., 1:3].shape))
    runs = BackboneRuns(internal)
    target = torch.from_numpy(structure.positions.copy())[None, runs.atoms]
    free, pulled = (runs.backbone(turned, target, pull) for pull in (0.0, 0.6))
    assert float((pulled - target).norm(dim=-1).mean()) < 0.7 * float((free - target).norm(dim=-1).mean())
    lengths = (pulled[:, 1:] - pulled[:, :-1]).norm(dim=-1)
    wanted = (target[:, 1:] - target[:, :-1]).norm(dim=-1)
    assert float((lengths - wanted).abs().max()) < 0.06


def test_a_chain_shorter_than_a_run_is_one_run():
    from tests.helpers.tiny import internal, positions

    runs = BackboneRuns(internal("QGRE"))
    start = positions("QGRE")[None]
    assert len(runs.places) == 1
    built = runs.backbone(internal("QGRE").encode(start), start[:, runs.atoms])
    torch.testing.assert_close(built, start[:, runs.atoms], atol=1e-3, rtol=0)
