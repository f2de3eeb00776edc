"""What a model was trained on: pairs, lengths, ends, the nearest peptides; a warning, once, and what `models` says."""

import json
import warnings
from collections import Counter
from importlib.resources import files

import numpy as np
import openmm as mm
import pytest
from openmm import app

import openmm_mdgen
from openmm_mdgen import MDGenWarning
from openmm_mdgen.cli import main
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.integrator import GenerativeIntegrator
from openmm_mdgen.tasks.protocols import ModelInfo
from openmm_mdgen.weights import familiarity as module
from openmm_mdgen.weights.familiarity import (
    calibration,
    familiarity,
    measured_errors,
    residues_to_sequence,
    training_sequences,
    warn_of_the_unfamiliar,
)

TRAINING = ("AMMT", "LWPG", "ACE-A-NME", "ACE-G-NME", "AMWP", "GMMT")


def test_a_training_peptide_is_known():
    found = familiarity("AMMT", TRAINING)
    assert found.trained_on and not found.unseen_pairs and not found.warning
    assert found.nearest[0] == ("AMMT", 1.0) and found.n_length == 4 and found.n_ends == 4


def test_pairs_lengths_and_ends_that_are_new():
    assert familiarity("MTAM", TRAINING).unseen_pairs == ("T-A",)
    assert "0 training peptides have its length" in familiarity("AMMTA", TRAINING).warning
    assert "0 training peptides have its ends" in familiarity("ACE-AMMT", TRAINING).warning
    assert "3 pairs of neighbours stand in no training peptide (V-V" not in familiarity("AMMG", TRAINING).warning
    assert "pairs of neighbours stand in no training peptide (V-K, K-V, V-E)" in familiarity("VKVE", TRAINING).warning


def test_what_is_far_follows_from_leaving_out_training_peptides():
    alike = ("AMMT", "AMMT", "MMTA", "AMTA")  # when one is left out, the others have every pair of it
    assert familiarity("AMVT", alike).usual_share == 0 and "pairs of neighbours" in familiarity("AMVT", alike).warning
    strangers = ("AMWT", "GLPV", "KDER", "HYQN")  # each is new to the others: so is what they did not see
    assert familiarity("VKVE", strangers).usual_share == 1 and not familiarity("VKVE", strangers).warning
    assert familiarity("LWPG", TRAINING).usual_share == pytest.approx(np.quantile([0, 2 / 3, 1 / 3, 1 / 3], 0.9))
    assert familiarity("ACE-A-NME", ("ACE-A-NME", "ACE-G-NME")).usual_share == 1


def test_a_training_set_of_its_own_is_mostly_familiar():
    training = training_sequences("peptide")
    lengths = Counter(map(len, training))
    left_out = [familiarity(s, [t for t in training if t != s]) for s in training if lengths[len(s)] > 2]
    assert 0 < sum("pairs of neighbours" in found.warning for found in left_out) <= 0.15 * len(left_out)


def test_caps_and_free_ends_differ():
    assert familiarity("ACE-A-NME", TRAINING).n_ends == 2
    assert familiarity("ACE-A-NME", TRAINING).nearest[0][0] == "ACE-A-NME"


def test_residues_to_sequence():
    assert residues_to_sequence(["ACE", "ALA", "NME"]) == "ACE-A-NME"
    assert residues_to_sequence(["GLY", "MET"]) == "GM"
    assert residues_to_sequence(["ALA", "NH2"]) == "A-NH2"


def test_bundled_table():
    training = training_sequences("peptide-0.1")
    assert len(training) > 50 and "ACE-A-NME" in training and "QGRE" not in training
    assert training_sequences("no such model") == ()
    assert measured_errors("peptide-0.1", "other content") == {}


def test_warned_once_and_of_cis_bonds(data, monkeypatch):
    monkeypatch.setattr(module, "_TOLD", set())
    structure = load_structure(data / "QGRE.pdb")
    info = ModelInfo("peptide-0.1")
    monkeypatch.setattr(module, "training_sequences", lambda name: ("AAAA", "AAAAA"))
    with pytest.warns(MDGenWarning, match="QGRE is far from what the model was trained on"):
        warn_of_the_unfamiliar(info, structure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_the_unfamiliar(info, structure)


def test_a_cis_start_is_told(data, monkeypatch):
    monkeypatch.setattr(module, "_TOLD", set())
    structure = load_structure(data / "ACE-A-NME.pdb")
    peptide = module.Peptide.from_structure(structure)
    heavy, at = peptide.heavy, structure.positions
    axis = at[heavy[1, "N"]] - at[heavy[0, "C"]]
    axis /= np.linalg.norm(axis)
    moved = [atom for (residue, _), atom in heavy.items() if residue > 0]
    moved += [h for h, parent in peptide.hydrogens.items() if parent in moved]
    arms = at[moved] - at[heavy[0, "C"]]
    at[moved] = at[heavy[0, "C"]] + 2 * (arms @ axis)[:, None] * axis - arms  # half a turn about C-N
    with pytest.warns(MDGenWarning, match="1 peptide bonds of ACE-A-NME start cis"):
        warn_of_the_unfamiliar(ModelInfo("peptide-0.1"), structure)


def test_simulate_warns(data, monkeypatch):
    monkeypatch.setattr(module, "_TOLD", set())
    monkeypatch.setattr(module, "training_sequences", lambda name: ("AAAA", "AAAAA"))
    with pytest.warns(MDGenWarning, match="ACE-A-NME is far from"):
        openmm_mdgen.simulate(data / "ACE-A-NME.pdb", time=10, model=data / "tiny.safetensors")


def test_the_integrator_warns_once(data, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "_TOLD", set())
    monkeypatch.setattr(module, "training_sequences", lambda name: calls.append(name) or ("AAAA", "AAAAA"))
    simulation = generated(data)
    with pytest.warns(MDGenWarning, match="ACE-A-NME is far from what the model was trained on"):
        simulation.step(2500)
    n_calls = len(calls)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulation.step(5 * 2500)
        simulation.context.setPositions(app.PDBFile(str(data / "ACE-A-NME.pdb")).positions)
        simulation.step(2500)
    assert n_calls == len(calls) == 1  # looked at where the model is bound, not in stepping


def test_the_integrator_says_nothing_of_a_training_peptide(data, monkeypatch):
    monkeypatch.setattr(module, "_TOLD", set())
    monkeypatch.setattr(module, "training_sequences", lambda name: ("ACE-A-NME", "ACE-G-NME"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", MDGenWarning)
        generated(data).step(2500)


def generated(data) -> app.Simulation:
    """A Simulation of alanine dipeptide by the tiny network."""
    pdb = app.PDBFile(str(data / "ACE-A-NME.pdb"))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology)
    model = {"model": data / "tiny.safetensors", "seed": 1, "device": "cpu"}
    integrator = GenerativeIntegrator(pdb.topology, 350.0, 0.004, **model)
    simulation = app.Simulation(pdb.topology, system, integrator, mm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(pdb.positions)
    return simulation


def test_models_about(capsys):
    main_or_exit(["models", "--about", "VKVE", "--model", "peptide-0.1"])
    told = capsys.readouterr().out
    assert "not a training peptide" in told and "nearest training peptides" in told
    assert "backbone JSD measured on" in told
    with pytest.raises(SystemExit):
        main(["models", "--about", "VKVE", "--model", "nothing"])
    assert "does not say what it was trained on" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["models", "--about", "VK2E", "--model", "peptide-0.1"])
    assert "is no residue" in capsys.readouterr().err


def test_calibration_is_that_of_these_weights_only():
    content = json.loads((files("openmm_mdgen.weights") / "peptide-errors.json").read_text())
    told = calibration("peptide", content["content"])
    assert told.startswith(f"on {len(content['validation'])} validation peptides") and "unseen pairs" in told
    assert set(content["validation"]) <= set(measured_errors("peptide", content["content"]))
    assert calibration("peptide", "other weights") == "" and measured_errors("peptide", "other weights") == {}


def main_or_exit(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert not done.value.code
