"""A peptide written by every convention gives the same frames, atom by atom, and the ids of its own file.

Every convention of `conventions` goes through every function and command that takes a structure or a trajectory. Frames
are compared by slot with those of the plain file, at 0.001 Å over two blocks of a tiny network.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import MDAnalysis as mda
import numpy as np
import openmm as mm
import pytest
from _pytest.mark import ParameterSet
from MDAnalysis import AtomGroup, Universe
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen.api.inpaint import DesignResult, inpaint
from openmm_mdgen.api.interpolate import interpolate
from openmm_mdgen.api.simulate import simulate
from openmm_mdgen.cli import main
from openmm_mdgen.convert.structures import load_structure, open_universe
from openmm_mdgen.peptide.structure import Structure
from openmm_mdgen.train.cache import _internal
from openmm_mdgen.trajectory.recipe_file import write_recipe
from openmm_mdgen.trajectory.transformations import PlaceHydrogens, RegenerateSidechains, Relax
from tests.helpers.conventions import CONVENTIONS, GRID, Written, original, plain
from tests.helpers.tiny import DATA, identities, inpaint_task, moving, simulate_task, upsample_task

pytestmark = pytest.mark.filterwarnings("ignore")
TOLERANCE = 1e-3  # Å
N_FRAMES = 5
MODEL, PATHS, GAPS = (str(DATA / f"tiny{end}.safetensors") for end in ("", "-inpaint", "-upsample"))


class Found(NamedTuple):
    """What an entry point gave: (T, N, 3) Å in the file's order, and the ids of its output, if it has any."""

    frames: np.ndarray
    ids: Structure | None


@dataclass(frozen=True)
class Case:
    """A written peptide and its files: a structure, another conformation, and a trajectory."""

    written: Written
    folder: Path
    structure: Path
    end: Path
    trajectory: Path
    n_residues: int

    @property
    def second(self) -> str:
        """What the user calls the second amino acid, or the only one."""
        residue = original("QGRE" if self.n_residues == 4 else "ACE-A-NME").residues[self.written.order]
        return self.written.structure.label(int(np.flatnonzero(residue == 1)[0]))

    def universe(self) -> Universe:
        """The trajectory as a user opens it."""
        return open_universe(self.structure, self.trajectory)


def frames_of(name: str) -> np.ndarray:
    """(T, N, 3) Å on the grid; the first frame is the peptide itself."""
    frames = moving(name, N_FRAMES) - moving(name, N_FRAMES).mean((1, 2), keepdims=True)
    return np.concatenate([original(name).positions[None], (frames[1:] / GRID).round() * GRID])


def write_trajectory(path: Path, written: Written, frames: np.ndarray) -> None:
    """A DCD file of frames (T, N, 3) Å, 10 ps apart."""
    universe = mda.Universe.empty(len(written.order), trajectory=True)
    with mda.Writer(str(path), len(written.order), dt=10.0, istart=1) as writer:
        for frame in frames:
            universe.atoms.positions = frame[written.order] + 0.3 * written.second[:, None]
            writer.write(universe.atoms)


@cache
def case(convention: str, peptide: str, folder: Path) -> Case:
    """Files of a peptide by a convention; ``""`` is the plain one."""
    atoms = original(peptide)
    written = CONVENTIONS[convention][1](atoms) if convention else plain(atoms)
    folder = folder / f"{peptide}-{convention or 'plain'}"
    folder.mkdir()
    frames = frames_of(peptide)
    structure, end = written.write(folder), written.write(folder, "end", frames[-1])
    trajectory = folder / "md.dcd"
    write_trajectory(trajectory, written, frames)
    return Case(written, folder, structure, end, trajectory, 4 if peptide == "QGRE" else 1)


def of_universe(universe: Universe | AtomGroup, stop: int | None = None) -> Found:
    """Frames and ids of a Universe."""
    atoms = universe.atoms
    frames = np.stack([atoms.positions for _ in universe.universe.trajectory[:stop]])
    universe.universe.trajectory[0]
    return Found(frames, load_structure(atoms))


def run(*arguments: object) -> None:
    """The command line; success exits with 0."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code in (0, None)


def of_pdb(path: Path) -> Found:
    """Frames and ids of a PDB file that a command wrote."""
    return of_universe(Universe(str(path)))


def simulate_path(c: Case) -> Found:
    task = simulate_task()
    block = task.bind(load_structure(c.structure), 10.0).n_frames
    return of_universe(simulate(c.structure, time=10.0 * 2 * block, model=task))


def simulate_universe(c: Case) -> Found:
    return of_universe(simulate(open_universe(c.structure), time=100, model=simulate_task()))


def read_by_openmm(c: Case) -> app.PDBFile | app.PDBxFile:
    return {"pdb": app.PDBFile, "cif": app.PDBxFile}[c.written.format](str(c.structure))


def simulate_openmm(c: Case) -> Found:
    file = read_by_openmm(c)
    return Found(of_universe(simulate((file.topology, file.positions), time=100, model=simulate_task())).frames, None)


def recipe_read_again(c: Case) -> Found:
    recipe = c.folder / "again.mdgen"
    made = simulate(c.structure, time=100, model=MODEL)
    write_recipe(made.trajectory.recipe, recipe)
    return of_universe(Universe(str(recipe)))


def interpolate_from(c: Case) -> Found:
    end = c.folder.parent / f"{'QGRE' if c.n_residues > 1 else 'ACE-A-NME'}-plain" / "end.pdb"
    return of_universe(interpolate(c.structure, end, n_paths=1, time=200, model=inpaint_task())[0])


def interpolate_to(c: Case) -> Found:
    start = open_universe(c.structure)
    return of_universe(interpolate(start, c.end, n_paths=1, time=200, model=inpaint_task())[0])


def inpaint_second(c: Case) -> Found:
    return of_universe(inpaint(c.universe(), [c.second], model=inpaint_task())[0])


def upsampled(c: Case) -> Found:
    return of_universe(openmm_mdgen.upsample(c.universe(), interval=1.0, model=upsample_task()), 25)


def upsampled_linear(c: Case) -> Found:
    return of_universe(openmm_mdgen.upsample(file_trajectory(c), interval=1.0, model="linear"), 25)


def file_trajectory(c: Case) -> Universe | AtomGroup:
    universe = c.universe()
    kept = c.written.kept
    return universe if len(kept) == len(universe.atoms) else universe.atoms[kept]


def transformed(kind: Callable[[AtomGroup], object]) -> Callable[[Case], Found]:
    def entry(c: Case) -> Found:
        universe = c.universe()
        atoms = universe.atoms[c.written.kept]
        universe.trajectory[1]
        change = kind(atoms)
        universe.trajectory[0]
        universe.trajectory.add_transformations(change)
        return of_universe(atoms, 3)

    return entry


def trained_on(c: Case) -> Found:
    """Internal coordinates, as training sees them."""
    values = _internal(c.universe(), 1)[0]
    return Found(np.repeat(values.reshape(len(values), -1)[:, None, :1], len(c.written.kept), 1), None)


def command_simulate(c: Case) -> Found:
    out = c.folder / "simulated.pdb"
    run("simulate", c.structure, "--time", "50ps", "--model", MODEL, "-o", out, "--quiet")
    return of_pdb(out)


def command_simulate_selected(c: Case) -> Found:
    out = c.folder / "selected.pdb"
    run("simulate", c.structure, "--select", "protein", "--time", "50ps", "--model", MODEL, "-o", out, "--quiet")
    assert load_structure(c.folder / "selected_topology.pdb").names == of_pdb(out).ids.names
    return of_pdb(out)


def command_simulate_relaxed(c: Case) -> Found:
    out = c.folder / "relaxed.pdb"
    run("simulate", c.structure, "--relax", "--time", "20ps", "--model", MODEL, "-o", out, "--quiet")
    return of_pdb(out)


def command_freeze(c: Case) -> Found:
    recipe, out = c.folder / "made.mdgen", c.folder / "frozen.pdb"
    run("simulate", c.structure, "--time", "50ps", "--model", MODEL, "-o", recipe, "--quiet")
    run("freeze", recipe, "-o", out)
    return of_pdb(out)


def command_interpolate(c: Case) -> Found:
    out = c.folder / "paths.pdb"
    run("interpolate", c.structure, c.end, "--paths", 1, "--time", "100ps", "--model", PATHS, "-o", out)
    return of_pdb(out)


def command_inpaint(c: Case) -> Found:
    out = c.folder / "inpainted.pdb"
    run("inpaint", c.trajectory, "-t", c.structure, f"--residues={c.second}", "--model", PATHS, "-o", out)
    return of_pdb(out)


def command_upsample(c: Case) -> Found:
    out = c.folder / "fine.pdb"
    run("upsample", c.trajectory, "-t", c.structure, "--interval", "1ps", "--model", GAPS, "-o", out, "--quiet")
    return of_pdb(out)


def command_upsample_selected(c: Case) -> Found:
    out = c.folder / "fine_selected.pdb"
    arguments = ("--interval", "1ps", "--model", GAPS, "--select", "protein", "-o", out, "--quiet")
    run("upsample", c.trajectory, "-t", c.structure, *arguments)
    return of_pdb(out)


def command_upsample_dcd(c: Case) -> Found:
    out = c.folder / "fine.dcd"
    run("upsample", c.trajectory, "-t", c.structure, "--interval", "1ps", "--model", GAPS, "-o", out, "--quiet")
    return of_universe(open_universe(c.structure, out))


ENTRIES: dict[str, Callable[[Case], Found]] = {
    f.__name__: f
    for f in (
        *(simulate_path, simulate_universe, simulate_openmm, recipe_read_again, interpolate_from, interpolate_to),
        *(inpaint_second, upsampled, upsampled_linear, trained_on),
        *(command_simulate, command_simulate_selected, command_simulate_relaxed, command_freeze, command_interpolate),
        *(command_inpaint, command_upsample, command_upsample_selected, command_upsample_dcd),
    )
} | {f"transformed_{kind.__name__}": transformed(kind) for kind in (PlaceHydrogens, RegenerateSidechains, Relax)}


def applies(entry: str, convention: str, written: Written, peptide: str) -> bool:
    """Whether the entry takes such a file: in place, and by OpenMM, no atom can be left out or told apart."""
    if entry in ("simulate_openmm", "integrator"):
        lost = ("altlocs", "repeated", "open_babel", "capped_open_babel")  # by OpenMM, which reads one atom of a name
        return written.format != "gro" and not convention.startswith(lost)
    if entry == "command_upsample_dcd":
        return not written.second.any()
    if "inpaint" in entry or entry == "design":
        return peptide != "ACE-A-NME" and convention != "repeated"
    return ("relaxed" not in entry and "Relax" not in entry) or convention != "deuterated"


ALL = [
    (entry, convention)
    for convention, (peptide, write) in CONVENTIONS.items()
    for entry in ENTRIES
    if applies(entry, convention, write(original(peptide)), peptide)
]
QUICK = 7  # of the cases, one in so many runs each time; `pytest -m slow` runs the others
CASES = [pytest.param(*names, marks=[pytest.mark.slow] * (k % QUICK > 0)) for k, names in enumerate(ALL)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conventions")


@cache
def expected(entry: str, peptide: str, folder: Path) -> Found:
    """What the plain file gives."""
    return ENTRIES[entry](case("", peptide, folder))


@pytest.mark.parametrize(("entry", "convention"), CASES)
def test_same_frames_and_own_ids(entry: str, convention: str, folder: Path) -> None:
    peptide = CONVENTIONS[convention][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = expected(entry, peptide, folder)
        here = case(convention, peptide, folder)
        found = ENTRIES[entry](here)
    kept = here.written.kept
    assert found.frames.shape[1] == len(kept)
    of_atom = reference.frames[:, here.written.order[kept]]
    np.testing.assert_allclose(found.frames, of_atom, atol=TOLERANCE + 1e-3 * entry.startswith("command"))
    if found.ids is not None:
        check_ids(found.ids, here.written.structure.take(kept), entry)


def check_ids(found: Structure, own: Structure, entry: str) -> None:
    """Names, numbers and labels as the file has them; a PDB file holds one letter of a chain."""
    for name in ("names", "resnames", "numbers", "icodes"):
        assert getattr(found, name) == getattr(own, name), name
    longest = max(map(len, own.chain_ids))
    if longest < 2 or not entry.startswith("command"):
        assert found.chain_ids == own.chain_ids


def conventions(entry: str, *quick: str) -> list[ParameterSet]:
    """Those that the entry takes; all but a few are slow."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in quick))
        for name, (peptide, write) in CONVENTIONS.items()
        if applies(entry, name, write(original(peptide)), peptide)
    ]


def integrated(c: Case) -> np.ndarray:
    """(T, N, 3) Å over two blocks, of a System that is masses only."""
    file, task = read_by_openmm(c), simulate_task()
    integrator = openmm_mdgen.GenerativeIntegrator(file.topology, stepSize="10ps", model=task, seed=1)
    system = mm.System()
    for atom in file.topology.atoms():
        system.addParticle(atom.element.mass)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(file.positions)
    frames = []
    for _ in range(2 * task.bind(load_structure(c.structure), 10.0).n_frames):
        integrator.step(1)
        frames.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    return np.stack(frames)


@cache
def plain_integrated(peptide: str, folder: Path) -> np.ndarray:
    return integrated(case("", peptide, folder))


@pytest.mark.parametrize("convention", conventions("integrator", "charmm", "capped_hydrogens_last"))
def test_integrator_gives_the_same_frames(convention: str, folder: Path) -> None:
    peptide = CONVENTIONS[convention][0]
    here = case(convention, peptide, folder)
    expected_frames = plain_integrated(peptide, folder)[:, here.written.order]
    assert np.abs(np.diff(expected_frames, axis=0)).max(axis=(1, 2)).min() > TOLERANCE
    np.testing.assert_allclose(integrated(here), expected_frames, atol=TOLERANCE)


def designed(c: Case) -> DesignResult:
    return openmm_mdgen.design(c.universe(), [c.second], n_sequences=1, model=inpaint_task(), identities=identities())


@cache
def plain_design(peptide: str, folder: Path) -> DesignResult:
    return designed(case("", peptide, folder))


@pytest.mark.parametrize("convention", conventions("design", "altlocs", "hydrogens_last"))
def test_design_gives_the_same_sequences_and_frames(convention: str, folder: Path) -> None:
    peptide = CONVENTIONS[convention][0]
    reference, found = plain_design(peptide, folder), designed(case(convention, peptide, folder))
    np.testing.assert_allclose(found.probabilities, reference.probabilities, atol=1e-5)
    assert [r.sequence for r in found.sequences] == [r.sequence for r in reference.sequences]
    for one, other in zip(found.universes, reference.universes, strict=True):
        assert list(one.atoms.names) == list(other.atoms.names)
        np.testing.assert_allclose(of_universe(one).frames, of_universe(other).frames, atol=TOLERANCE)


def scored(reference: Case, generated: Case) -> dict[str, float]:
    """Numbers of an evaluation, by the names that its results have."""
    files = [written_motion(c, seed) for seed, c in enumerate((reference, generated))]
    found = openmm_mdgen.evaluate(
        files[0],
        files[1],
        reference.structure,
        generated_topology=generated.structure,
        lag=20.0,
        n_clusters=20,
        n_states=4,
        n_bootstrap=0,
        n_energies=0,
    )
    return dict(numbers(asdict(found.scores)))


def numbers(tree: object, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in nested dictionaries and lists, with their places."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from numbers(value, f"{name}/{key}")
    elif isinstance(tree, list | tuple):
        for key, value in enumerate(tree):
            yield from numbers(value, f"{name}/{key}")
    elif isinstance(tree, int | float):
        yield name, float(tree)


def written_motion(c: Case, seed: int, n_frames: int = 200) -> Path:
    """A trajectory with enough frames for statistics."""
    path = c.folder / f"motion{seed}.dcd"
    if not path.exists():
        frames = moving("QGRE" if c.n_residues == 4 else "ACE-A-NME", n_frames, seed)
        write_trajectory(path, c.written, frames)
    return path


@cache
def plain_scores(peptide: str, folder: Path) -> dict[str, float]:
    plain_case = case("", peptide, folder)
    return scored(plain_case, plain_case)


@pytest.mark.parametrize("side", ["reference", "generated"])
@pytest.mark.parametrize("convention", conventions("evaluate", "charmm", "capped_charmm_patches"))
def test_evaluate_gives_the_same_scores(convention: str, side: str, folder: Path) -> None:
    """One side by the convention, the other as OpenMM writes it."""
    peptide = CONVENTIONS[convention][0]
    sides = {name: case(convention if name == side else "", peptide, folder) for name in ("reference", "generated")}
    found, expected_scores = scored(**sides), plain_scores(peptide, folder)
    assert found.keys() == expected_scores.keys() and np.isfinite(list(found.values())).sum() > 5
    for name, value in expected_scores.items():
        assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True), name
