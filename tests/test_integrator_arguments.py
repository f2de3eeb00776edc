"""The constructor called as stock integrators are: orders, units, names, and errors that name the argument."""

import warnings

import numpy as np
import pytest
from openmm import unit

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.integrator import GenerativeIntegrator
from openmm_mdgen.integrator.arguments import Arguments, sorted_arguments

K, PER_PS, FS, PS = 350 * unit.kelvin, 1 / unit.picosecond, 4 * unit.femtoseconds, 10 * unit.picoseconds


def settings(integrator: GenerativeIntegrator) -> tuple[float, float, float, float]:
    """K, 1/ps, fs, ps."""
    return tuple(
        round(value, 9)
        for value in (
            integrator.getTemperature()._value,
            integrator.getFriction()._value,
            integrator.getStepSize()._value * 1000,
            integrator.getFrameInterval()._value,
        )
    )


@pytest.mark.parametrize(
    "given, expected",
    [
        ((K, PER_PS, FS), (350, 1, 4, 10)),
        ((K, 5 / unit.nanosecond, "2fs", 1 * unit.picosecond), (350, 0.005, 2, 1)),
        ((K, FS), (350, 0, 4, 10)),
        ((K, "2 fs", "1 ps"), (350, 0, 2, 1)),
        ((K, PER_PS), (350, 1, 4, 10)),
        ((K, FS, PER_PS), (350, 1, 4, 10)),
        ((FS, K), (350, 0, 4, 10)),
        ((340, 0.002), (340, 0, 2, 10)),
        ((340, 1.5, 0.002), (340, 1.5, 2, 10)),
        ((np.float64(340), np.float32(1.5), 0.002), (340, 1.5, 2, 10)),
        ((340, 1.5, 0.002, 20), (340, 1.5, 2, 20)),
        ((K, 1.5, FS), (350, 1.5, 4, 10)),
        ((K, 0.002, PS), (350, 0, 2, 10)),
        ((K, 0.002, "10ps"), (350, 0, 2, 10)),
        ((K, None, None, 1 * unit.picosecond), (350, 0, 4, 1)),
        ((K,), (350, 0, 4, 10)),
    ],
    ids=str,
)
def test_by_place(alanine, toy_propagator, given, expected):
    assert settings(GenerativeIntegrator(alanine.topology, *given, model=toy_propagator, seed=1)) == expected


def test_a_verlet_integrators_one_argument():
    assert sorted_arguments([2 * unit.femtoseconds], Arguments()).stepSize == 2 * unit.femtoseconds


@pytest.mark.parametrize(
    "named, expected",
    [
        ({"temperature": K, "frictionCoeff": PER_PS, "stepSize": FS}, (350, 1, 4, 10)),
        ({"temperature": 340, "frictionCoeff": 2, "stepSize": 0.002, "frameInterval": 1}, (340, 2, 2, 1)),
        ({"temperature": K, "stepSize": "5fs", "frameInterval": "0.1ns"}, (350, 0, 5, 100)),
    ],
)
def test_by_name(alanine, toy_propagator, named, expected):
    assert settings(GenerativeIntegrator(alanine.topology, **named, model=toy_propagator)) == expected


def test_places_and_names_together(alanine, toy_propagator):
    integrator = GenerativeIntegrator(alanine.topology, K, PER_PS, stepSize=FS, model=toy_propagator)
    assert settings(integrator) == (350, 1, 4, 10)
    with pytest.raises(MDGenError, match=r"^stepSize was given twice, as 4\*femtoseconds by place and 0.002 by name"):
        GenerativeIntegrator(alanine.topology, K, PER_PS, FS, stepSize=0.002, model=toy_propagator)


def test_model_and_seed_by_place(alanine, toy_propagator):
    integrator = GenerativeIntegrator(alanine.topology, K, FS, PS, toy_propagator, 11)
    assert integrator.getRandomNumberSeed() == 11 and settings(integrator) == (350, 0, 4, 10)


def test_friction_has_no_effect(make_simulation, alanine, make_toy):
    def positions(*given):
        simulation = make_simulation(GenerativeIntegrator(alanine.topology, *given, model=make_toy(), seed=3))
        simulation.step(5000)
        return simulation.context.getState(positions=True).getPositions(asNumpy=True)._value

    assert np.array_equal(positions(K, FS), positions(K, 50 / unit.picosecond, FS))


@pytest.mark.parametrize(
    "given, call",
    [
        ((K, PER_PS, FS), r"pdb\.topology, 350\*kelvin, 1/picosecond, 4\*femtoseconds\)"),
        ((300, 1.0, 0.002), r"pdb\.topology, 300, 1.0, 0.002\)"),
        ((), r"pdb\.topology\)"),
    ],
)
def test_without_a_topology_the_error_shows_the_call_with_it(given, call):
    with pytest.raises(MDGenError, match=rf"^the topology is missing; .* GenerativeIntegrator\({call}$"):
        GenerativeIntegrator(*given)


def test_without_a_topology_by_name():
    with pytest.raises(
        MDGenError, match=r"pdb\.topology, temperature=350\*kelvin, friction.*stepSize=4\*femtoseconds\)$"
    ):
        GenerativeIntegrator(temperature=K, frictionCoeff=PER_PS, stepSize=FS)


@pytest.mark.parametrize(
    "named, message",
    [
        ({"temperature": FS}, r"temperature 4\*femtoseconds is no temperature; give temperature=350\*kelvin"),
        ({"temperature": "warm"}, r"temperature 'warm' is no temperature"),
        ({"temperature": True}, r"temperature True is no temperature"),
        ({"frictionCoeff": FS}, r"friction 4\*femtoseconds is no rate; give friction=1/picosecond"),
        ({"stepSize": PER_PS}, r"stepSize 1 /ps is no time; give stepSize=4\*femtoseconds"),
        ({"stepSize": K}, r"stepSize 350 K is no time"),
        ({"frameInterval": 2 * unit.angstrom}, r"frameInterval 2 A is no time; give frameInterval=10\*picoseconds"),
        ({"frameInterval": "often"}, r"frameInterval 'often' is no time"),
    ],
)
def test_wrong_units_name_the_argument(alanine, toy_propagator, named, message):
    with pytest.raises(MDGenError, match=message):
        GenerativeIntegrator(alanine.topology, **({"temperature": K} | named), model=toy_propagator)


@pytest.mark.parametrize("given", [(K, K), (K, FS, FS, FS), (2 * unit.angstrom,), (1, 2, 3, 4, 5)], ids=str)
def test_orders_that_are_nobodys(alanine, toy_propagator, given):
    with pytest.raises(
        MDGenError, match=r"in no integrator's order; give GenerativeIntegrator\(topology, temperature="
    ):
        GenerativeIntegrator(alanine.topology, *given, model=toy_propagator)


@pytest.mark.parametrize("step", [4, 3.2, 0.8])
def test_a_bare_step_size_meant_in_femtoseconds(alanine, toy_propagator, step):
    message = rf"not a multiple of stepSize {step * 1000:g} fs: .* in ps; use stepSize={step}\*femtoseconds"
    with pytest.raises(MDGenError, match=message):
        GenerativeIntegrator(alanine.topology, K, stepSize=step, model=toy_propagator)


def test_a_bare_step_size_in_femtoseconds_that_divides(alanine, toy_propagator):
    with pytest.warns(MDGenWarning, match=r"stepSize=2 is 2 ps.*write stepSize=2\*femtoseconds"):
        GenerativeIntegrator(alanine.topology, K, stepSize=2, model=toy_propagator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GenerativeIntegrator(alanine.topology, K, stepSize="2ps", model=toy_propagator)
        GenerativeIntegrator(alanine.topology, K, stepSize=10, frameInterval=10, model=toy_propagator)


@pytest.mark.parametrize(
    "step, interval, nearest",
    [("3fs", "10ps", 3.00030003), ("7fs", "1ps", 6.993006993), ("1.9ps", "10ps", 2000), ("20ps", "10ps", 10_000)],
)
def test_the_nearest_step_size_that_divides(alanine, toy_propagator, step, interval, nearest):
    with pytest.raises(MDGenError, match=rf"use stepSize={nearest:.10g}\*femtoseconds") as error:
        GenerativeIntegrator(alanine.topology, K, stepSize=step, frameInterval=interval, model=toy_propagator)
    remedy = float(str(error.value).split("stepSize=")[1].split("*")[0])
    GenerativeIntegrator(
        alanine.topology, K, stepSize=remedy * unit.femtoseconds, frameInterval=interval, model=toy_propagator
    )
