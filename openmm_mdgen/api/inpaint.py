"""What a user calls to generate some residues of a trajectory anew, or to design them."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from MDAnalysis import AtomGroup, Universe

from openmm_mdgen.convert.locations import one_location
from openmm_mdgen.convert.structures import atomgroup_to_structure, load_structure
from openmm_mdgen.convert.trajectories import select_atoms, stored_interval
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.labels import residue_places, with_numbers
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.tasks.design import LETTERS, Design, Ranked, graft
from openmm_mdgen.tasks.identity import IdentityModel
from openmm_mdgen.tasks.inpaint import free_residues
from openmm_mdgen.tasks.propagator import block_seed
from openmm_mdgen.tasks.protocols import ModelLike
from openmm_mdgen.trajectory.memory import frames_to_universe
from openmm_mdgen.weights.identities import load_identities
from openmm_mdgen.weights.roles import as_designer, as_inpainter, tuned


@dataclass(frozen=True)
class DesignResult:
    """Designed sequences and how they move.

    Attributes
    ----------
    residues : tuple of int or str
        Residue numbers that were designed, along the chain; with their insertion codes where they have some.
    probabilities : ndarray (P, 20)
        Of every designed position by itself; columns in the order of ``letters``.
    letters : str
        One-letter names of the columns.
    sequences : list of Ranked
        (sequence, probability), the most probable first; positions are independent of each other.
    universes : list of Universe
        One trajectory for each of ``sequences``, all atoms.
    """

    residues: tuple[int | str, ...]
    probabilities: np.ndarray
    letters: str
    sequences: list[Ranked]
    universes: list[Universe]


def inpaint(
    trajectory: Universe | AtomGroup,
    residues: Collection[int | str],
    n_samples: int = 1,
    model: ModelLike = "peptide",
    seed: int = 0,
    device: str | None = None,
    show_identities: bool = True,
    select: str | None = None,
    steps: int | None = None,
    temperature: float | None = None,
) -> list[Universe]:
    """Generate the motion of some residues, given that of the others.

    Parameters
    ----------
    trajectory
        One peptide's trajectory.
    residues
        Residue numbers (``resids``) to be generated; their own motion in ``trajectory`` is not used. As texts they may
        have an insertion code (``"52A"``), a chain (``"B:27"``) or a range (``"2-4"``).
    n_samples
        Number of trajectories.
    model, seed, device, steps, temperature
        As for `simulate`; a temperature that the model did not learn is an error.
    select
        These atoms only: an MDAnalysis selection such as ``"protein"``.
    show_identities
        Whether the network is shown the identities of all residues and the given ones' torsions. Without, it sees only
        how the given residues lie to each other, as in the published method.

    Returns
    -------
    list of Universe
        As many frames as the trajectory has. Given residues' atoms are exactly as they were, but for the oxygen before
        and the hydrogen on nitrogen after a generated residue, which lie in its peptide planes.

    Raises
    ------
    MDGenError
        If no residue or every residue is to be generated, one is not there, or the model cannot do it.

    Examples
    --------
    >>> samples = openmm_mdgen.inpaint(mda.Universe("pep.pdb", "pep.xtc"), residues=[2, 3], n_samples=4)
    """
    _check_count("n_samples", n_samples)
    trajectory = _selected(trajectory, select)
    given = _read(trajectory)
    task = tuned(as_inpainter(model, device, show_identities=show_identities), steps, temperature)
    places = residue_places(given.peptide, given.structure, residues).values()
    sampler = task.bind_residues(given.structure, places, given.interval)
    found = sampler.sample(given.frames, [block_seed(seed, 0, k) for k in range(n_samples)])
    _tell_kept(sampler.n_kept, n_samples * len(given.frames))
    return [frames_to_universe(trajectory, frames, given.interval, given.first_time) for frames in found]


def design(
    trajectory: Universe | AtomGroup,
    residues: Collection[int | str],
    n_sequences: int = 4,
    model: ModelLike = "peptide",
    seed: int = 0,
    device: str | None = None,
    identities: str | Path | IdentityModel = "peptide-design",
    select: str | None = None,
    steps: int | None = None,
    temperature: float | None = None,
) -> DesignResult:
    """Design residues to fit the motion of the others.

    Parameters
    ----------
    trajectory
        One peptide's trajectory; of the designed residues neither identity nor motion is used.
    residues
        Residue numbers (``resids``) to be designed, as for `inpaint`.
    n_sequences
        How many of the most probable sequences to keep, each with a trajectory.
    model, seed, device, steps, temperature
        As for `simulate`; the model makes the trajectories. A temperature that it did not learn is an error.
    select
        These atoms only: an MDAnalysis selection such as ``"protein"``.
    identities
        What guesses the residues: a bundled name, or weights of ``openmm-mdgen train --task design``.

    Returns
    -------
    DesignResult

    Raises
    ------
    MDGenError
        If no residue or every residue is to be designed, one is not there, or the model cannot do it.

    Warns
    -----
    MDGenWarning
        Where nothing is known of a place: at an end of the chain, or where more than two designed residues lie side by
        side. Its probabilities are then how often residues are in the training set.

    Notes
    -----
    How often the bundled model is right, by the length of the trajectory:
    docs/lab_book/first/inpainting_and_design.md.

    Examples
    --------
    >>> result = openmm_mdgen.design(mda.Universe("pep.pdb", "pep.xtc"), residues=[2, 3])
    >>> result.sequences[0].sequence, result.universes[0].trajectory.n_frames
    """
    _check_count("n_sequences", n_sequences)
    trajectory = _selected(trajectory, select)
    given = _read(trajectory)
    if given.peptide.residue_types[-1] == "NH2":
        raise MDGenError("a peptide with an NH2 cap cannot be designed: none can be built; cap it with NME instead")
    task = tuned(as_designer(model, load_identities(identities), device), steps, temperature)
    numbers = residue_places(given.peptide, given.structure, residues)
    places = list(numbers.values())
    free_residues(given.peptide, places)
    possible = len(LETTERS) ** len(places)
    if n_sequences > possible:
        raise MDGenError(f"n_sequences {n_sequences} is above the {possible} sequences that there are; ask for fewer")
    guess = task.read(given.structure, places, given.frames, given.interval)
    _tell_unasked([r for r, informed in zip(numbers, guess.informed, strict=True) if not informed], task)
    ranked = guess.rank(n_sequences)
    universes = [_designed(task, given, places, r.sequence, block_seed(seed, 0, k)) for k, r in enumerate(ranked)]
    return DesignResult(tuple(numbers), guess.probabilities(), LETTERS, ranked, universes)


@dataclass(frozen=True)
class _Given:
    """A trajectory as read: (T, N, 3) in Å, ps."""

    atoms: AtomGroup
    structure: Structure
    peptide: Peptide
    frames: np.ndarray
    interval: float
    first_time: float


def _selected(trajectory: Universe | AtomGroup, select: str | None) -> AtomGroup:
    if not isinstance(trajectory, Universe | AtomGroup):
        raise MDGenError(f"a trajectory cannot be made of a {type(trajectory).__name__}; give a Universe or AtomGroup")
    return select_atoms(trajectory, select)


def _read(trajectory: AtomGroup) -> _Given:
    atoms = one_location(trajectory)
    structure = atomgroup_to_structure(atoms)
    reader = atoms.universe.trajectory
    current = reader.frame
    frames = np.stack([atoms.positions.astype(np.float64) for _ in reader])
    first_time = float(reader[0].time)
    reader[current]
    if len(frames) < 2:
        raise MDGenError(f"a trajectory of {len(frames)} frame has no motion; give 2 frames or more, 64 for a window")
    structure = replace(structure, positions=frames[0])  # whichever frame the user looks at
    peptide = Peptide.from_structure(structure)
    return _Given(atoms, structure, peptide, frames, stored_interval(reader, "the trajectory"), first_time)


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise MDGenError(f"{name} {value!r} must be a whole number of 1 or more; leave it out for the default")


def _tell_kept(n_kept: int, n_frames: int) -> None:
    if n_kept:
        warnings.warn(
            f"in {n_kept} of {n_frames} frames the generated residues could not be joined to the given ones and keep "
            "the backbone that they had; give them a longer run of residues, or leave these frames out",
            MDGenWarning,
            stacklevel=3,
        )


def _tell_unasked(numbers: list[int | str], task: Design) -> None:
    if numbers:
        longest = max(place.length for place in task.identities.still)
        warnings.warn(
            f"the motion was not asked for residue {', '.join(map(str, numbers))}: {task.identities.name!r} knows runs "
            f"of up to {longest} between two given residues; the probabilities are how often residues are in its "
            "training set",
            MDGenWarning,
            stacklevel=3,
        )


def _designed(task: Design, given: _Given, places: list[int], sequence: str, seed: int) -> Universe:
    """A trajectory of the designed sequence on the given residues' motion."""
    source = given.peptide
    first = "ACE-" if source.residue_types[0] == "ACE" else ""
    last = "-NME" if source.residue_types[-1] == "NME" else ""
    built = load_structure(build_peptide(f"{first}{sequence}{last}"))
    peptide = Peptide.from_structure(built)
    structure = with_numbers(built, peptide, given.structure, source)
    grafted = graft(given.structure, source, given.frames, structure, peptide, free_residues(source, places))
    sampler = task.bind_residues(structure, places, given.interval)
    sampler.generate_also(~grafted.known)
    frames = sampler.sample_internal(grafted.internal, grafted.positions, [seed])[0]
    _tell_kept(sampler.n_kept, len(frames))
    return frames_to_universe(structure, frames, given.interval, given.first_time)
