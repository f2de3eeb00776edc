"""Models pickled as their name."""

import pickle

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.upsampling.named import NamedModel
from openmm_mdgen.weights.roles import as_upsampler
from tests.helpers.tiny import DATA, structure

FILE = DATA / "tiny-upsample.safetensors"


def named() -> NamedModel:
    return NamedModel(FILE, "cpu", as_upsampler(FILE, "cpu"))


def test_weights_do_not_travel_and_come_back_where_they_are_needed():
    model = named()
    content = pickle.dumps(model)
    assert len(content) < 1000
    there = pickle.loads(content)
    assert there.info == model.info


def test_a_filler_travels_likewise_and_fills_the_same():
    filler = named().bind_gaps(structure("QGRE"), 10.0, 1.0)
    keys = np.stack([structure("QGRE").positions] * 2)
    there = pickle.loads(pickle.dumps(filler))
    np.testing.assert_array_equal(there.fill(keys, [3]), filler.fill(keys, [3]))
    with pytest.raises(AttributeError):
        there._nothing  # noqa: B018


def test_another_model_of_that_name_is_an_error():
    model = named()
    model._name, model._model = DATA / "tiny.safetensors", None
    with pytest.raises(MDGenError):
        model.loaded()
