"""What a model says of itself, and what it is by the methods that it has."""

import numpy as np
import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.optional import offers
from openmm_mdgen.tasks.protocols import (
    ModelInfo,
    bind_simulator,
    is_propagator,
    is_simulator,
    known_object,
    model_info,
)
from tests.helpers.tiny import inpaint_task, simulate_task, structure, upsample_task
from tests.helpers.toys import BindableTask, Doubling, small_structure


class Forwarding:
    """Has what another object has, and nothing of its own."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)


def test_our_models_say_what_they_are():
    info = simulate_task().info
    assert (info.name, info.temperature, info.lengths, info.device) == ("tiny", 350.0, (1, 6), "cpu")
    assert info.tasks == ("simulate", "interpolate", "unconditional") and len(info.content_hash) == 64
    assert inpaint_task().info.tasks[-2:] == ("inpaint", "design")
    info = upsample_task().info
    assert (info.tasks, info.spacings, info.intervals) == (("upsample",), (1.0, 10.0), (0.1, 1.0))
    assert model_info(upsample_task()) == info


def test_objects_of_other_packages_say_it_by_attributes():
    info = model_info(BindableTask("a" * 64))
    assert (info.name, info.content_hash, info.temperatures) == ("toy", "a" * 64, (350.0, 350.0))
    assert (info.tasks, info.intervals, info.lengths) == (("simulate",), (0.1, 100.0), None)
    assert model_info(Doubling()) == ModelInfo("Doubling", tasks=("simulate",))


def test_only_one_temperature_is_the_temperature():
    assert ModelInfo("m", temperatures=(300.0, 300.0)).temperature == 300.0
    assert ModelInfo("m", temperatures=(300.0, 400.0)).temperature is None
    assert ModelInfo("m").temperature is None


@pytest.mark.parametrize(
    ("learned", "asked", "message"),
    [
        ((350.0, 350.0), 300.0, "a temperature of 300 K is not one of model 'm', which learned 350 K; give"),
        ((300.0, 400.0), 450.0, "which learned 300 to 400 K; give"),
    ],
)
def test_temperatures_that_a_model_did_not_learn(learned, asked, message):
    info = ModelInfo("m", temperatures=learned)
    with pytest.raises(MDGenError, match=message):
        info.check_temperature(asked)
    for fits in (None, learned[0], learned[1]):
        info.check_temperature(fits)
    ModelInfo("m").check_temperature(asked)


def test_a_wrapper_is_what_it_forwards_to():
    wrapped = Forwarding(Doubling())
    assert is_propagator(wrapped) and not is_simulator(wrapped) and known_object(wrapped) is wrapped
    assert not offers(Forwarding(object()), "next_block")


def test_an_attribute_that_is_no_method_is_no_verb():
    class Odd:
        next_block = None

    with pytest.raises(MDGenError, match="got a Odd without next_block or bind"):
        known_object(Odd())


def test_binding_hands_over_only_what_the_model_takes():
    class OfTwo(BindableTask):
        temperature = None
        temperatures = (300.0, 400.0)

        def bind(self, structure, interval, *, reference=None, temperature=None):
            self.told = temperature
            return super().bind(structure, interval)

    atoms, doubling, one, two = small_structure(), Doubling(), BindableTask(), OfTwo()
    assert bind_simulator(doubling, atoms, 10.0, temperature=310.0) is doubling
    assert is_propagator(bind_simulator(one, atoms, 10.0, temperature=310.0)) and one.bound == [(atoms, 10.0)]
    bind_simulator(two, atoms, 10.0, temperature=310.0)
    assert two.told == 310.0


def test_a_reference_reaches_the_model():
    atoms = structure("ACE-A-NME")
    block = [
        bind_simulator(simulate_task(), atoms, 10.0, reference=r).next_block(atoms.positions, 1)
        for r in (None, atoms.positions, atoms.positions * 1.1)
    ]
    assert np.array_equal(block[0], block[1]) and not np.allclose(block[0], block[2])
