"""Every task asks once what a model is: the right ones pass, the others are told what they are for."""

import subprocess
import sys

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.tasks.inpaint import Inpaint
from openmm_mdgen.tasks.interpolate import Interpolate
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


@pytest.mark.parametrize("model", [SIMULATION, simulate_task(), Interpolate.of(simulate_task())])
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
    assert as_interpolator(Interpolate.of(inpaint_task(), window=7)).window == 7
    assert as_inpainter(Inpaint.of(inpaint_task(), window=7), told=False) == Inpaint.of(
        inpaint_task(), window=7, told=False
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
