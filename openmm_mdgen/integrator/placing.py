"""Positions in and out of a Context."""

import numpy as np
import openmm as mm

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator.checks import frozen_atoms


def read_positions(context: mm.Context) -> np.ndarray:
    """(N, 3) nm, or an error where they are unset or not finite."""
    positions: np.ndarray = context.getState(positions=True).getPositions(asNumpy=True)._value
    if not np.isfinite(positions).all():
        atom = int(np.argmax(~np.isfinite(positions).all(axis=1)))
        raise MDGenError(
            f"atom {atom} has a NaN or infinite position; call simulation.context.setPositions with finite ones"
        )
    if len(positions) > 1 and not positions.any():
        raise MDGenError("positions are unset; call simulation.context.setPositions(pdb.positions) before stepping")
    return positions


class FramePlacer:
    """Puts frames into a Context, without moving massless (frozen) atoms.

    Parameters
    ----------
    system : openmm.System
        Supplies masses and virtual sites; the latter follow the atoms that they depend on.

    Attributes
    ----------
    frozen : numpy.ndarray
        (N, 1) bool, massless atoms.
    """

    def __init__(self, system: mm.System) -> None:
        self.frozen = frozen_atoms(system)[:, None]

    def put(self, context: mm.Context, frame: np.ndarray, held: np.ndarray, tolerance: float) -> None:
        """Set positions and satisfy the constraints.

        Parameters
        ----------
        context : openmm.Context
            Gets the frame.
        frame : numpy.ndarray
            (N, 3) nm.
        held : numpy.ndarray
            (N, 3) nm, used for massless atoms.
        tolerance : float
            Relative tolerance of constraints. They are applied here and not by an integration step, which takes bond
            directions from before the jump to a new frame.
        """
        context.setPositions(np.where(self.frozen, held, frame))
        context.applyConstraints(tolerance)
