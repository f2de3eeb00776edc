"""Every task asks once what a model is: the right ones pass, the others are told what they are for."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from openmm_mdgen import simulate
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.tasks.inpaint import Inpaint
from openmm_mdgen.tasks.interpolate import Interpolate
from openmm_mdgen.tasks.protocols import ModelInfo
from openmm_mdgen.tasks.simulate import Simulate
from openmm_mdgen.tasks.unconditional import Unconditional
from openmm_mdgen.weights.identities import load_identities
from openmm_mdgen.weights.roles import (
    as_designer,
    as_inpainter,
    as_interpolator,
    as_simulator,
    as_unconditional,
    as_upsampler,
    sampled_temperature,
    with_steps,
)
from tests.helpers.gap_fillers import LinearGapFiller
from tests.helpers.tiny import DATA, inpaint_task, simulate_task, upsample_task
from tests.helpers.toys import BindableTask, Doubling

SIMULATION, UPSAMPLING = DATA / "tiny.safetensors", DATA / "tiny-upsample.safetensors"
CAN_FILL = "model 'tiny-upsample' cannot {} but can fill the gaps between frames; choose 'peptide' or another"


def as_guesser(model):
    return as_designer(model, load_identities("peptide-design"))


@pytest.mark.parametrize("model", [UPSAMPLING, str(UPSAMPLING), upsample_task()], ids=["path", "str", "object"])
@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (as_simulator, "simulate"),
        (as_interpolator, "interpolate"),
        (as_unconditional, "make trajectories from a sequence alone"),
        (as_inpainter, "inpaint"),
        (as_guesser, "design"),
    ],
)
def test_upsampling_weights_do_nothing_else(ask, words, model):
    with pytest.raises(MDGenError, match=CAN_FILL.format(words)):
        ask(model)


@pytest.mark.parametrize("model", [SIMULATION, simulate_task(), Interpolate.from_model(simulate_task())])
def test_weights_of_other_tasks_do_not_upsample(model):
    with pytest.raises(
        MDGenError, match=r"'tiny' cannot fill the gaps between frames but can simulate, interp.*'peptide-upsample'"
    ):
        as_upsampler(model)


@pytest.mark.parametrize("ask", [as_interpolator, as_unconditional, as_inpainter, as_guesser, as_upsampler])
def test_a_propagator_only_simulates(ask):
    own = Doubling()
    assert as_simulator(own) is own
    with pytest.raises(MDGenError, match=r"model 'Doubling' cannot .* but can simulate; choose"):
        ask(own)


@pytest.mark.parametrize("ask", [as_simulator, as_interpolator, as_unconditional, as_inpainter, as_guesser])
def test_a_gap_filler_only_fills(ask):
    own = LinearGapFiller(9)
    assert as_upsampler(own) is own
    with pytest.raises(MDGenError, match=r"model 'LinearGapFiller' cannot .* but can fill the gaps"):
        ask(own)


@pytest.mark.parametrize(
    "ask", [as_simulator, as_interpolator, as_unconditional, as_inpainter, as_guesser, as_upsampler]
)
def test_strangers(ask):
    with pytest.raises(MDGenError, match="got a dict without next_block or bind"):
        ask({})


def test_one_network_serves_all_its_tasks():
    task = inpaint_task()
    assert as_simulator(task) is task
    found = [as_interpolator(task), as_unconditional(task), as_inpainter(task)]
    assert list(map(type, found)) == [Interpolate, Unconditional, Inpaint]
    back = as_simulator(found[0])
    assert type(back) is Simulate and back.network is task.network


def test_a_task_keeps_its_settings():
    assert as_interpolator(Interpolate.from_model(inpaint_task(), window=7)).window == 7
    assert as_inpainter(Inpaint.from_model(inpaint_task(), window=7), show_identities=False) == Inpaint.from_model(
        inpaint_task(), window=7, show_identities=False
    )


def test_steps_are_of_models_that_have_some():
    assert with_steps(simulate_task(), 3).solver.n_steps == 3
    with pytest.raises(MDGenError, match="model 'toy' has no solver steps to choose; leave out the steps"):
        with_steps(BindableTask(), 3)


def test_asking_needs_no_torch_for_an_object():
    code = (
        "import sys; from openmm_mdgen.weights.roles import as_simulator\n"
        "as_simulator(type('Own', (), {'next_block': print, 'n_frames': 1})()); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


RANGE = ModelInfo("m", ("simulate",), temperatures=(280.0, 450.0))


@pytest.mark.parametrize("kelvin", [None, 280.0, 300.0, 450.0])
def test_temperatures_that_were_learned_are_sampled(kelvin):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sampled_temperature(kelvin, RANGE, strict=True) == kelvin


@pytest.mark.parametrize(("kelvin", "nearest"), [(200.0, 280.0), (600.0, 450.0)])
def test_the_nearest_temperature_is_sampled_with_a_warning(kelvin, nearest):
    message = rf"temperature {kelvin:g} K is outside the model's 280 to 450 K: the frames are .* at {nearest:g} K"
    with pytest.warns(MDGenWarning, match=message):
        assert sampled_temperature(kelvin, RANGE) == nearest
    with pytest.raises(MDGenError, match=message):
        sampled_temperature(kelvin, RANGE, strict=True)


@pytest.mark.parametrize("kelvin", [0.0, -300.0, float("nan"), float("inf")])
def test_what_is_no_temperature(kelvin):
    with pytest.raises(MDGenError, match="is not above zero; give one in kelvin, such as 300"):
        sampled_temperature(kelvin, RANGE)


def test_a_trajectory_outside_the_range_says_what_it_is(tmp_path):
    pdb = Path(__file__).parent / "data" / "ACE-A-NME.pdb"
    with pytest.warns(MDGenWarning, match="500 K is outside the model's 280 to 450 K"):
        universe = simulate(pdb, time=20, temperature=500.0)
    assert universe.trajectory.recipe.temperature == 450.0
    assert np.isfinite(universe.trajectory[1].positions).all()
    with pytest.raises(MDGenError, match="500 K is outside"):
        simulate(pdb, time=20, temperature=500.0, strict=True)
