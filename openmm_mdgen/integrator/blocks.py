"""Blocks of frames for one topology: binds the model to a reference geometry, keeps the latest block, checks it."""

from collections import OrderedDict

import numpy as np
from openmm import app

from openmm_mdgen.tasks.chain import Link, make_blocks
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import Simulator, bind_simulator, is_propagator, model_info
from openmm_mdgen.weights.familiarity import warn_of_the_unfamiliar

ANGSTROM_PER_NM = 10.0
_KEPT_BOUND = 32  # temperatures, where replicas exchange them
_KEPT_BYTES = 2**24  # of blocks


class BlockSource:
    """Gives any block of a trajectory as a pure function of seed, block number, anchor and reference.

    Parameters
    ----------
    model : Propagator or Simulator
        What makes the blocks, as it is or once it is bound.
    topology : openmm.app.Topology
        The user's atoms, in the order of all positions.
    interval : float
        ps between frames.
    """

    def __init__(self, model: Propagator | Simulator, topology: app.Topology, interval: float) -> None:
        self._model = model
        self._topology = topology
        self._interval = interval
        self._propagator: Propagator | None = model if is_propagator(model) else None
        self._bound_to: tuple[int, int] | None = None
        self._bound: OrderedDict[tuple[int, int], Propagator] = OrderedDict()
        self._blocks: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()

    @property
    def rebinds(self) -> bool:
        """Whether a reference geometry matters (a propagator used as it is has none)."""
        return not is_propagator(self._model)

    def is_bound_to(self, reference_key: int, microkelvin: int = 0) -> bool:
        """Whether the reference with this fingerprint, at this temperature, is the one in use, or was lately."""
        key = reference_key, microkelvin
        if self.rebinds and self._bound_to != key and key in self._bound:
            self._bound.move_to_end(key)
            self._propagator, self._bound_to = self._bound[key], key
        return not self.rebinds or self._bound_to == key

    def bind(self, reference: np.ndarray, reference_key: int, microkelvin: int = 0) -> None:
        """Use (N, 3) nm as the source of bond lengths and angles; temperature in 1e-6 K, 0 for the model's only one.

        The first time, what the model was not trained on is warned of.
        """
        if not self.rebinds:
            return
        from openmm_mdgen.convert.structures import topology_to_structure

        structure = topology_to_structure(self._topology, reference)
        self._propagator = bind_simulator(
            self._model,
            structure,
            self._interval,
            reference=reference * ANGSTROM_PER_NM,
            temperature=microkelvin / 1e6 if microkelvin else None,
        )
        if not self._bound:
            warn_of_the_unfamiliar(model_info(self._model), structure)
        self._bound_to = reference_key, microkelvin
        self._bound[self._bound_to] = self._propagator
        if len(self._bound) > _KEPT_BOUND:
            self._bound.popitem(last=False)

    @property
    def n_frames(self) -> int:
        """Frames per block."""
        assert self._propagator is not None
        return int(self._propagator.n_frames)

    def frames(self, key: tuple[int, ...], anchor: np.ndarray, link: Link, block: int) -> np.ndarray:
        """(n_frames, N, 3) nm; `key` names the block, `anchor` is (N, 3) nm.

        Blocks used last are kept: replicas that share an integrator take turns.
        """
        if key not in self._blocks:
            assert self._propagator is not None
            frames = make_blocks(self._propagator, anchor[None] * ANGSTROM_PER_NM, block, [link])[0]
            self._blocks[key] = frames / ANGSTROM_PER_NM
            while len(self._blocks) * frames.nbytes > _KEPT_BYTES and len(self._blocks) > 1:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]
