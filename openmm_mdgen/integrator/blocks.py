"""Blocks of frames for one topology: binds the model to a reference geometry, keeps the latest block, checks it."""

import numpy as np
from openmm import app

from openmm_mdgen.tasks.chain import Link, make_blocks
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import Simulator, bind_simulator, is_propagator

ANGSTROM_PER_NM = 10.0


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
        self._bound_to: int | None = None
        self._key: tuple[int, ...] | None = None
        self._frames = np.empty((0, 0, 3))

    @property
    def rebinds(self) -> bool:
        """Whether a reference geometry matters (a propagator used as it is has none)."""
        return not is_propagator(self._model)

    def is_bound_to(self, reference_key: int) -> bool:
        """Whether the reference with this fingerprint is the one in use."""
        return not self.rebinds or self._bound_to == reference_key

    def bind(self, reference: np.ndarray, reference_key: int) -> None:
        """Use (N, 3) nm as the source of bond lengths and angles."""
        if not self.rebinds:
            return
        from openmm_mdgen.convert.structures import topology_to_structure

        structure = topology_to_structure(self._topology, reference)
        self._propagator = bind_simulator(self._model, structure, self._interval, reference=reference * ANGSTROM_PER_NM)
        self._bound_to, self._key = reference_key, None

    @property
    def n_frames(self) -> int:
        """Frames per block."""
        assert self._propagator is not None
        return int(self._propagator.n_frames)

    def frames(self, key: tuple[int, ...], anchor: np.ndarray, seed: int, block: int) -> np.ndarray:
        """(n_frames, N, 3) nm; `key` names the block, `anchor` is (N, 3) nm."""
        if self._key != key:
            assert self._propagator is not None
            frames = make_blocks(self._propagator, anchor[None] * ANGSTROM_PER_NM, block, [Link(seed)])[0]
            self._frames, self._key = frames / ANGSTROM_PER_NM, key
        return self._frames
