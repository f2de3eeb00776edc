"""The Integrator itself: OpenMM's step counting outside, generated frames inside.

A Simulation calls `step` once for every ten steps, which is 250 times for a frame of 10 ps: there the time is read and
written without the unit.Quantity that OpenMM's Python methods make of it.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import overload

import numpy as np
import openmm as mm
from openmm import _openmm, app, unit

from openmm_mdgen.convert.times import Time
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator import checks, discover
from openmm_mdgen.integrator.arguments import (
    Arguments,
    Rate,
    Temperature,
    checked_topology,
    sorted_arguments,
    to_kelvin,
    to_rate,
    to_time,
)
from openmm_mdgen.integrator.blocks import BlockSource
from openmm_mdgen.integrator.contexts import listen_to_contexts
from openmm_mdgen.integrator.forces import check_forces
from openmm_mdgen.integrator.named import NamedSimulator
from openmm_mdgen.integrator.placing import FramePlacer, read_positions
from openmm_mdgen.integrator.restoring import RestoringIntegrator
from openmm_mdgen.integrator.solvent import check_solvent
from openmm_mdgen.integrator.state import EXHAUSTED, GeneratorState, StateVariables, fingerprint, text_fingerprint
from openmm_mdgen.integrator.thermalising import thermaliser_of
from openmm_mdgen.integrator.velocities import VelocitySource
from openmm_mdgen.tasks.chain import Link
from openmm_mdgen.tasks.protocols import ModelLike

_SAME_MICROKELVIN = 1000  # single precision keeps 350 K to 30
MOVED = 1e-4
"""Positions (nm) further than this from the last given frame were set or minimised by the user."""


class GenerativeIntegrator(RestoringIntegrator):
    """An Integrator that advances a Simulation by generated frames instead of by forces.

    A frame appears at every step whose absolute number is a multiple of ``frameInterval / stepSize``; between two of
    them positions and velocities are held while step count and time go on as ever. Energies are the System's own for
    the frame.

    Parameters
    ----------
    topology : openmm.app.Topology
        The atoms of the System, as given to ``createSystem``.
    temperature : openmm.unit.Quantity or float (K), optional
        Of the ensemble, where the model learned a range of them; else that of the velocities, and frames are of the
        model's temperature, which is the default. It can be set in mid-run, and is part of checkpoints and State XML.
    frictionCoeff : openmm.unit.Quantity or float (1/ps), optional
        Taken where a script has it, before the step size; without effect.
    stepSize : openmm.unit.Quantity, float (ps) or str, optional
        What one step counts for; 4 fs if left out.
    frameInterval : openmm.unit.Quantity, float (ps) or str, optional
        Time between frames, a multiple of `stepSize`; 10 ps if left out.
    model : str, pathlib.Path or object, optional
        A bundled name, a weights file, a loaded task, or any `openmm_mdgen.tasks.propagator.Propagator`.
    seed : int, optional
        The trajectory is a function of it, the model and the starting positions; drawn at random if left out.
    device : str, optional
        Where the network runs ("cpu", "cuda", "mps"); chosen if left out.
    strict : bool, optional
        Raise where a temperature outside the model's range would give a warning.
    thermalise : int, optional
        Steps of Langevin dynamics (2 fs, or `stepSize` where that is shorter) that every frame is run for in the
        System; 0 if left out. Forces, biases and restraints are felt for so long.

    Raises
    ------
    MDGenError
        For waters, a wrong interval or temperature, an unknown model; on the first step, for a System that does not fit
        (barostat, thermostat, other atoms), positions unset or NaN, or a molecule outside the model's range.

    Notes
    -----
    The generator's state lives in the integrator's variables: checkpoints and State XML hold it, and a resumed or
    rewound run gives bitwise the same positions on the same machine. Positions set or minimised by the script are
    conditioned on anew. Bond lengths and angles that the model does not generate are those of the positions at
    the first frame.

    A checkpoint of another kind of integrator gives its positions, time and step count; seed and temperature stay, and
    a warning says so. Its State XML does the same with an error, since OpenMM refuses it. Masses, constraints and
    forces are those of the System at the latest `reinitialize`.

    Quantities by place are told apart by their units. Of numbers by place, two are temperature and step size, three
    temperature, friction and step size, as stock integrators have them.

    Copies (`copy`, `pickle`) are integrators of their own with the same model, settings and state; a model that was
    given by name or file travels as that, with a hash of its content.

    Not supported: use within a CompoundIntegrator, or after deserialising from XML: the positions become NaN, which
    reporters refuse to write. Forces do not influence the frames but by `thermalise`; velocities then are those of the
    dynamics, and the next block of frames starts from where they ended.

    Examples
    --------
    >>> integrator = GenerativeIntegrator(pdb.topology, temperature=350*kelvin, stepSize=4*femtoseconds)
    >>> simulation = Simulation(pdb.topology, system, integrator)
    """

    @overload
    def __init__(
        self,
        topology: app.Topology,
        temperature: Temperature = ...,
        stepSize: Time = ...,
        frameInterval: Time = ...,
        model: ModelLike = ...,
        seed: int | None = ...,
        device: str | None = ...,
        strict: bool = ...,
        *,
        thermalise: int = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        topology: app.Topology,
        temperature: Temperature,
        frictionCoeff: Rate,
        stepSize: Time,
        frameInterval: Time = ...,
        model: ModelLike = ...,
        seed: int | None = ...,
        device: str | None = ...,
        strict: bool = ...,
        *,
        thermalise: int = ...,
    ) -> None: ...
    def __init__(
        self,
        topology: app.Topology | None = None,
        *settings: object,
        temperature: Temperature | None = None,
        frictionCoeff: Rate | None = None,
        stepSize: Time | None = None,
        frameInterval: Time | None = None,
        model: ModelLike | None = None,
        seed: int | None = None,
        device: str | None = None,
        strict: bool | None = None,
        thermalise: int = 0,
    ) -> None:
        listen_to_contexts()
        named = Arguments(temperature, frictionCoeff, stepSize, frameInterval, model, seed, device, strict)
        self._topology = checked_topology(topology, settings, named)
        given = sorted_arguments(settings, named)
        self._strict = bool(given.strict)
        self._friction = 0.0 if given.friction is None else to_rate(given.friction)
        self._interval = 10.0 if given.frameInterval is None else to_time("frameInterval", given.frameInterval)
        self._step_size = 0.004 if given.stepSize is None else to_time("stepSize", given.stepSize)
        self._steps_per_frame = checks.steps_per_frame(self._interval, self._step_size, given.stepSize)
        super().__init__(self._step_size)
        self._model = NamedSimulator("peptide" if given.model is None else given.model, given.device)
        self._source = BlockSource(self._model.model, self._topology, self._interval)
        if self._source.rebinds:
            check_solvent(self._topology, self._step_size)
            checks.check_interval(self._interval, self._model.info.intervals)
        self._known_temperatures: set[float] = set()
        self._temperature = self.addGlobalVariable("temperature", self._checked_temperature(given.temperature))
        steps = f":{thermalise}" if thermalise else ""
        self._source_key = text_fingerprint(f"{self._model.content}:{self._interval}{steps}")
        first = GeneratorState(
            checks.checked_seed(given.seed),
            source_key=self._source_key,
            microkelvin=self._model.to_microkelvin(self.getGlobalVariable(self._temperature)),
        )
        self._variables = StateVariables(self, first)
        self._add_guard()
        self._thermaliser = thermaliser_of(self, thermalise)
        self._forget_context()

    def _forget_context(self) -> None:
        """Belong to no Context yet."""
        self._context: weakref.ref[mm.Context] | None = None
        self._watch: discover.ReporterWatch | None = None
        self._is_read = False
        self._warned: set[str] = set()
        self._frozen: np.ndarray | None = None
        self._given: tuple[tuple[int, ...], np.ndarray] | None = None

    def _add_guard(self) -> None:
        """Let the program, which only runs where Python's `step` is bypassed, make every position infinite.

        That is so after deserialising and in a CompoundIntegrator. The variable, never set, keeps the logarithm from
        being folded away.
        """
        self.addGlobalVariable("driven_by_python", 0.0)
        self.addComputePerDof("x", "x + log(driven_by_python)")

    # ---- stepping

    def step(self, steps: int) -> None:
        """Advance by `steps` steps; frames that fall due on the way are generated.

        Parameters
        ----------
        steps : int
            As for any Integrator.
        """
        context = None if self._context is None else self._context()
        if context is None or not self._is_read:
            context = self._bound_context()
        this = context.this  # spares OpenMM's functions the search for it
        count = _openmm.Context_getStepCount(this)
        end = count + steps
        if count % self._steps_per_frame + steps < self._steps_per_frame:  # no frame is due
            _openmm.Context_setTime(this, _openmm.Context_getTime(this) + steps * self._step_size)
            _openmm.Context_setStepCount(this, end)
            return
        while (due := count - count % self._steps_per_frame + self._steps_per_frame) <= end:
            self._give_frame(context)
            count = self._advance(context, count, due)
        if count < end:
            self._advance(context, count, end)

    def _advance(self, context: mm.Context, count: int, to: int) -> int:
        """Let step count and time go on, from one step to a later one."""
        _openmm.Context_setTime(context, _openmm.Context_getTime(context) + (to - count) * self._step_size)  # ps
        _openmm.Context_setStepCount(context, to)
        return to

    def _give_frame(self, context: mm.Context) -> None:
        """Put the next frame and its velocities into the Context, and note it in the state."""
        if self._watch is not None:
            self._watch.look(self._steps_per_frame)
        positions = read_positions(context)
        temperature = self._temperature_for_next()
        state = self._state_for_next(context, positions, self._model.to_microkelvin(temperature))
        self._placer.put(context, self._frames(state)[state.index], positions, self.getConstraintTolerance())
        context.setVelocities(self._velocities.draw(temperature, _velocity_key(state)))
        context.applyVelocityConstraints(self.getConstraintTolerance())
        if self._thermaliser is not None:
            self._thermaliser.run(
                self,
                context,
                longest_step=self._step_size,
                temperature=temperature,
                friction=self._friction,
                key=_velocity_key(state),
            )
        state = replace(state, index=state.index + 1)
        self._variables.write(self, state)
        self._given = (_frame_key(state), read_positions(context))

    def _temperature_for_next(self) -> float:
        """K, as last set; checked where it was set as a global variable, as OpenMM's samplers do."""
        temperature: float = self.getGlobalVariable(self._temperature)
        if round(temperature, 3) not in self._known_temperatures:
            self._checked_temperature(temperature)
        return temperature

    def _state_for_next(self, context: mm.Context, positions: np.ndarray, microkelvin: int) -> GeneratorState:
        """The state whose index names the frame to give: in the block, in the next, or in one from moved positions.

        Another temperature starts another block, as moved positions do.
        """
        state = self._variables.read(self)
        if not state.started:
            state = replace(state, block=-1, started=1)
        if abs(state.microkelvin - microkelvin) > _SAME_MICROKELVIN:
            state = state.at_temperature(microkelvin)
        if not self._variables.keeps(self, "reference", state.reference_key):
            state = replace(state, reference_key=self._variables.store(self, "reference", positions))
        if not self._variables.keeps(self, "anchor", state.anchor_key):
            state = replace(state, index=EXHAUSTED)
        self._bind_reference(state)
        if state.index >= self._source.n_frames or self._was_moved(state, context, positions):
            check_forces(context.getSystem())
            anchor_key = self._variables.store(self, "anchor", positions)
            state = replace(state, block=state.block + 1, index=0, anchor_key=anchor_key)
        return state

    def _was_moved(self, state: GeneratorState, context: mm.Context, positions: np.ndarray) -> bool:
        """Whether `positions` differ from the frame that the state says was given last."""
        if self._given is None or self._given[0] != _frame_key(state):  # resumed or rewound
            if self._thermaliser is not None:
                self._given = (_frame_key(state), self._thermaliser.end(self))
            else:  # give it once more
                put = self._frames(state)[state.index - 1]
                self._placer.put(context, put, positions, self.getConstraintTolerance())
                self._given = (_frame_key(state), read_positions(context))
        return bool(np.abs(positions - self._given[1]).max() > MOVED)

    def _frames(self, state: GeneratorState) -> np.ndarray:
        """(n_frames, N, 3) nm: the state's block, from memory or generated."""
        anchor = self._variables.load(self, "anchor", state.anchor_key)
        assert anchor is not None  # stored or looked for before
        return self._source.frames(_frame_key(state)[:-1], anchor, Link(state.seed, state.branch), state.block)

    def _bind_reference(self, state: GeneratorState) -> None:
        """Have the model use the state's reference geometry and temperature."""
        if not self._source.is_bound_to(state.reference_key, state.microkelvin):
            reference = self._variables.load(self, "reference", state.reference_key)
            assert reference is not None
            self._source.bind(reference, state.reference_key, state.microkelvin)

    # ---- binding

    def bind(self, simulation: app.Simulation | mm.Context) -> None:
        """Tie the integrator to its Simulation or Context; done by the first step where it is not done before.

        Parameters
        ----------
        simulation : openmm.app.Simulation or openmm.Context
            The one made with this integrator.

        Raises
        ------
        MDGenError
            When it was made with another integrator, or its System does not fit the topology.
        """
        context = simulation if isinstance(simulation, mm.Context) else simulation.context
        if context.getIntegrator() is not self:
            raise MDGenError(
                "bind got a Simulation made with another integrator; give it the one made with this integrator"
            )
        self._bind(context, None if context is simulation else simulation)

    def _bind(self, context: mm.Context, simulation: app.Simulation | None) -> None:
        """Keep the Context and read its System."""
        self._context = weakref.ref(context)
        self._watch = None if simulation is None else discover.ReporterWatch(simulation)
        self._read_system(context)

    def _read_system(self, context: mm.Context) -> None:
        """Check the System and keep what is read from it; where other atoms are massless now, start another block."""
        system = context.getSystem()
        checks.check_system(system, self._topology)
        steps = 0 if self._thermaliser is None else self._thermaliser.steps
        self._warned |= checks.warn_of_system(system, self._topology, self._warned, steps)
        self._velocities = VelocitySource(system)
        self._placer = FramePlacer(system)
        before, self._frozen = self._frozen, self._placer.frozen
        if before is not None and not np.array_equal(before, self._frozen):
            self._variables.write(self, replace(self._variables.read(self), index=EXHAUSTED))
        self._is_read = True

    def _bound_context(self) -> mm.Context:
        """The Context, found and checked at the first call; its System is read again after `reinitialize`."""
        context = None if self._context is None else self._context()
        if context is None:
            context, simulation = discover.find_holders(self)
            self._bind(context, simulation)
            self._check_start(context)
        elif not self._is_read:
            self._read_system(context)
        return context

    def reinitialized(self) -> None:
        """Have the next step read the System again; called by `Context.reinitialize`."""
        self._is_read = False

    def _check_start(self, context: mm.Context) -> None:
        """Raise at the first step what would otherwise wait for the first frame."""
        positions = read_positions(context)
        state = self._variables.read(self)
        if not state.started:
            self._source.bind(positions, fingerprint(positions), state.microkelvin)
        if self._watch is not None:
            self._watch.look(self._steps_per_frame)

    # ---- what scripts ask of a Langevin integrator

    def setStepSize(self, size: Time) -> None:
        """Change what a step counts for; frames keep their interval."""
        step_size = to_time("stepSize", size)
        self._steps_per_frame = checks.steps_per_frame(self._interval, step_size, size)
        self._step_size = step_size
        super().setStepSize(step_size)

    def getFrameInterval(self) -> unit.Quantity:
        """Time between frames."""
        return self._interval * unit.picosecond

    def getTemperature(self) -> unit.Quantity:
        """The temperature of the ensemble, at which velocities are drawn too."""
        return self.getGlobalVariable(self._temperature) * unit.kelvin

    def setTemperature(self, temp: Temperature) -> None:
        """Go on at another temperature from the next frame on; warns outside the model's range.

        A model that learned a range starts another block there, conditioned on the present frame.
        """
        self.setGlobalVariable(self._temperature, self._checked_temperature(temp))

    def getFriction(self) -> unit.Quantity:
        """The friction last set; it has no effect, since the model's own dynamics are generated."""
        return self._friction / unit.picosecond

    def setFriction(self, coeff: Rate) -> None:
        """Accept a friction so that scripts run; it has no effect."""
        self._friction = to_rate(coeff)

    def getRandomNumberSeed(self) -> int:
        """The generator's seed."""
        return self._variables.read(self).seed

    def setRandomNumberSeed(self, seed: int) -> None:
        """Seed the generator from the next frame on; 0 draws a seed at random, as everywhere in OpenMM."""
        state = self._variables.read(self)
        self._variables.write(self, replace(state, seed=checks.checked_seed(seed or None), index=EXHAUSTED))

    def _checked_temperature(self, temperature: Temperature) -> float:
        if temperature is None:
            if self._model.temperature is None:
                raise MDGenError("the model names no temperature; give one, as temperature=350*kelvin")
            return self._model.temperature
        kelvin = to_kelvin(temperature)
        checks.check_temperature(kelvin, self._model.info.temperatures, self._strict)
        self._known_temperatures.add(round(kelvin, 3))
        return kelvin


def _frame_key(state: GeneratorState) -> tuple[int, ...]:
    """Names the block, and as the last item how many of its frames were given."""
    return (
        state.seed,
        state.block,
        state.branch,
        state.microkelvin,
        state.anchor_key,
        state.reference_key,
        state.index,
    )


def _velocity_key(state: GeneratorState) -> tuple[int, ...]:
    """Seeds the velocities of the frame that is given."""
    key = state.seed, state.block, state.index
    return (*key, state.branch) if state.branch else key
