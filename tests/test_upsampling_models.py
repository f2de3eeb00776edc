"""Which filler a model gives for a molecule, and whether it learned what is asked of it."""

import pytest

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.upsampling.gaps import LinearGapFiller
from openmm_mdgen.upsampling.models import load_gap_model, model_identity, molecule_gaps
from tests.helpers.gap_fillers import Model
from tests.helpers.tiny import structure


def test_objects_are_taken_and_others_refused():
    model = Model()
    assert load_gap_model(model) is model and load_gap_model("linear") is None
    with pytest.raises(MDGenError, match="got a dict without fill or bind_gaps"):
        load_gap_model({})


def test_what_a_run_must_find_again():
    assert model_identity(None) == "linear"
    assert model_identity(Model()) == "Model model"


def test_a_model_is_bound_and_a_filler_taken():
    model, filler = Model(), LinearGapFiller(10)
    assert molecule_gaps(model, structure("QGRE"), 10.0, 10).filler.factor == 10
    assert [len(bound.names) for bound in model.bound] == [len(structure("QGRE").names)]
    assert molecule_gaps(filler, structure("QGRE"), 10.0, 10).filler is filler


def test_longer_chains_come_in_windows_with_a_warning():
    model = Model()
    with pytest.warns(MDGenWarning, match="has 5 residues, the model learned up to 4"):
        molecule_gaps(model, structure("NDKMF"), 10.0, 10)
    assert len(model.bound) == 2


@pytest.mark.parametrize(("spacing", "factor", "message"), [(100.0, 100, "spacing"), (10.0, 1000, "interval")])
def test_times_that_it_did_not_learn(spacing, factor, message):
    with pytest.raises(MDGenError, match=message):
        molecule_gaps(Model(), structure("QGRE"), spacing, factor)
