"""Real files, as deposited and as others ship them, through every command and function that takes one.

    python benchmarks/real_files.py --shared ../shared

Each cell of the table is ``works``, or the number of the one line below the table that was said instead; a traceback,
or an error of more than one line, is a FAULT. Networks are the tiny ones of the tests, for chains of up to 6 residues,
and a random published one for longer chains: what is made is of no use, but what is taken and refused is the same.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from MDAnalysis import Universe, Writer
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen.cli import group
from openmm_mdgen.convert.structures import open_universe
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.file import save_published
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.task import PublishedSettings
from openmm_mdgen.published.tokens import PublishedTokens

TINY = Path(__file__).resolve().parent.parent / "tests" / "data"
LONGEST_TINY = 6  # residues
FRAMES = 120  # of a trajectory made of a single structure
_SELECTED = ", select protein"
SHORT = "--time 100ps --interval 10ps --seed 1".split()


@dataclass(frozen=True)
class Files:
    """A topology and its trajectory, which is made by shaking the atoms where there is none.

    Attributes
    ----------
    name : str
    topology : Path
    trajectory : Path or None
    """

    name: str
    topology: Path
    trajectory: Path | None = None

    def universe(self) -> Universe:
        """Both, opened by MDAnalysis."""
        return open_universe(self.topology, self.trajectory)


@dataclass(frozen=True)
class Outcome:
    """What came of one file and one command: ``kind`` is works, line or FAULT."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Job:
    """One file in a folder of its own, with what commands need.

    Attributes
    ----------
    files : Files
        With a trajectory of several frames.
    select : str or None
    folder : Path
        Empty, and the current one.
    first, ends : Path
        Weights that simulate and interpolate.
    residues : str
        Numbers of two inner residues.
    """

    files: Files
    select: str | None
    folder: Path
    first: Path
    ends: Path
    residues: str

    @property
    def selected(self) -> list[str]:
        """``--select`` as commands take it."""
        return [] if self.select is None else ["--select", self.select]

    @property
    def trajectory(self) -> list[str]:
        """TRAJECTORY, topology and selection."""
        return [str(self.files.trajectory), "-t", str(self.files.topology), *self.selected]

    def atoms(self) -> Any:
        """What functions are given."""
        universe = self.files.universe()
        return universe if self.select is None else universe.select_atoms(self.select)


def deposited(shared: Path) -> list[Files]:
    """The PDB files of the shared folder, untouched."""
    found = {name: shared / "proteins" / f"{name}.pdb" for name in ("5AWL", "2JOF", "2F4K")}
    return [Files(path.name, path, path if name == "2JOF" else None) for name, path in found.items()]


def shipped() -> list[Files]:
    """Systems of MDAnalysis' tests."""
    from MDAnalysisTests import datafiles as d

    return [
        Files("AdK (PSF, DCD)", Path(d.PSF), Path(d.DCD)),
        Files("AdK (PDB)", Path(d.PDB_small)),
        Files("14 residues (PRMTOP, TRJ)", Path(d.PRM), Path(d.TRJ)),
        Files("trpzip2 in water", Path(d.PRM7), Path(d.NCDFtruncoct)),
        Files("Val-Glu-Val in water", Path(d.PRMncdf), Path(d.NCDF)),
        Files("ACE-ALA-NME in water", Path(d.PRMpbc), Path(d.TRJpbc_bz2)),
    ]


def with_frames(files: Files, folder: Path) -> Files:
    """The same with a trajectory: its atoms, all of them, shaken by 0.05 Å."""
    if files.trajectory is not None:
        return files
    universe, path = files.universe(), folder / "shaken.xtc"
    start = universe.atoms.positions.copy()
    noise = np.random.default_rng(0).normal(0, 0.05, (FRAMES, *start.shape))
    universe.load_new((start + noise).astype(np.float32), dt=10.0)
    with Writer(str(path), len(start)) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    return Files(files.name, files.topology, path)


@cache
def published_weights(folder: Path, given: str) -> Path:
    """A published network of no use that simulates (``first``) or interpolates (``ends``)."""
    torch.manual_seed(0)
    tokens = PublishedTokens() if given == "first" else PublishedTokens(key_frames="ends", given="ends")
    small = {"width": 16, "n_layers": 1, "n_heads": 2, "ipa_heads": 2, "ipa_channels": 4}
    points = {"ipa_query_points": 2, "ipa_value_points": 2, "n_positions": 0}
    config = PublishedConfig(**small, **points, key_frames=tokens.key_frames, n_given=tokens.n_given)
    settings = PublishedSettings(tokens, n_frames=6, interval=10.0, solver="euler", n_steps=1)
    return save_published(PublishedNetwork(config), settings, folder / f"{given}.safetensors")


def job(files: Files, select: str | None, folder: Path, weights: Path) -> Job:
    """All that commands need for one file."""
    files = with_frames(files, folder)
    protein = files.universe().select_atoms("protein")
    numbers = list(dict.fromkeys(protein.residues.resids.tolist()))
    place = max(1, len(numbers) // 2)
    inner = ",".join(str(n) for n in numbers[place : place + 1])
    if len(numbers) <= LONGEST_TINY:
        return Job(files, select, folder, TINY / "tiny.safetensors", TINY / "tiny.safetensors", inner or "1")
    return Job(files, select, folder, published_weights(weights, "first"), published_weights(weights, "ends"), inner)


def command(*arguments: str) -> None:
    """One command as the user gives it."""
    group.main(args=list(arguments), standalone_mode=False)


def simulate_command(job: Job) -> None:
    """``simulate STRUCTURE``."""
    start = str(job.files.topology)
    command("simulate", start, *job.selected, "--model", str(job.first), *SHORT, "-o", "made.dcd", "--quiet")


def simulate_many(job: Job) -> None:
    """``simulate STRUCTURE --sequences``: many systems side by side."""
    (job.folder / "names.txt").write_text("QGRE\n")
    start = str(job.files.topology)
    command(
        *("simulate", start, "--sequences", "names.txt", *job.selected, "--model", str(job.first), "--workers", "1"),
        *(*SHORT, "-o", "many", "--quiet"),
    )
    failed = job.folder / "many" / "failed.csv"
    if failed.is_file():
        with failed.open(newline="") as handle:
            raise MDGenError("; ".join(f"failed.csv: {row['error']}" for row in csv.DictReader(handle)))


def interpolate_command(job: Job) -> None:
    """``interpolate START END``."""
    start = str(job.files.topology)
    command(
        *("interpolate", start, start, *job.selected, "--model", str(job.ends), "--paths", "1", "--time", "50ps"),
        *("-o", "path.dcd"),
    )


def inpaint_command(job: Job) -> None:
    """``inpaint TRAJECTORY``."""
    model = str(TINY / "tiny-inpaint.safetensors")
    command("inpaint", *job.trajectory, "--residues", job.residues, "--model", model, "-o", "i.dcd")


def design_command(job: Job) -> None:
    """``design TRAJECTORY``."""
    model = str(TINY / "tiny-inpaint.safetensors")
    command("design", *job.trajectory, "--residues", job.residues, "--model", model, "-o", "d.dcd")


def upsample_command(job: Job) -> None:
    """``upsample TRAJECTORY``; with waters, ``--others``."""
    model, others = str(TINY / "tiny-upsample.safetensors"), []
    if job.select is None:
        others = ["--others", "interpolate"]
    command(
        *("upsample", *job.trajectory, "--dt", "10ps", "--interval", "1ps", "--model", model, *others),
        *("-o", "fine.xtc", "--quiet"),
    )


def evaluate_command(job: Job) -> None:
    """``evaluate``, the trajectory against itself."""
    files = job.files
    command(
        *("evaluate", "--reference", str(files.trajectory), "--generated", str(files.trajectory)),
        *("--topology", str(files.topology), *job.selected, "--no-3d", "--no-energies", "-o", "report"),
    )


def correct_command(job: Job) -> None:
    """``correct``, two runs of 0.4 ps."""
    command(
        *("correct", *job.trajectory, "--temperature", "300", "--seeds", "2", "--time", "0.4ps", "--interval", "0.2ps"),
        *("--lag", "0.2ps", "--workers", "1", "--quiet", "-o", "corrected"),
    )


def show_command(job: Job) -> None:
    """``show``."""
    command("show", *job.trajectory, "-o", "page.html", "--no-open")


def staged(job: Job) -> Path:
    """A folder with the files under one name."""
    folder, files = job.folder / "md", job.files
    folder.mkdir(exist_ok=True)
    universe = job.atoms().universe
    universe.trajectory[0]
    if files.topology.suffix in (".pdb", ".psf"):
        (folder / f"md{files.topology.suffix}").symlink_to(files.topology.resolve())
    else:
        universe.atoms.write(str(folder / "md.pdb"))
    target = folder / ("r0" + "".join(files.trajectory.suffixes[-1:]))
    if files.trajectory != files.topology:
        target.symlink_to(files.trajectory.resolve())
    return folder


def train_molecule(job: Job) -> None:
    """``train --molecule``, what it chooses from the data; nothing is learned."""
    from openmm_mdgen.train.molecule import plan_molecule, stage

    stage(plan_molecule([staged(job)], temperature=300.0, dt=10.0), job.folder / "run")


def train_mdgen(job: Job) -> None:
    """``train --network mdgen``, the cache of the data."""
    from openmm_mdgen.train.protein_cache import open_protein_cache

    open_protein_cache([staged(job)], job.folder / "cache")


def integrator(job: Job) -> None:
    """``GenerativeIntegrator`` of a Topology of the same atoms, one frame."""
    import openmm as mm

    from openmm_mdgen.convert.openmm import structure_to_topology
    from openmm_mdgen.convert.structures import load_structure

    structure = load_structure(job.atoms())
    topology, system = structure_to_topology(structure), mm.System()
    for atom in topology.atoms():
        system.addParticle(12.0 if atom.element is None else atom.element.mass)
    made = openmm_mdgen.GenerativeIntegrator(
        topology, temperature=350 * unit.kelvin, stepSize=4 * unit.femtoseconds, model=str(job.first), strict=False
    )
    simulation = app.Simulation(topology, system, made, mm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(structure.positions / 10)
    simulation.step(2500)


def simulate_function(job: Job) -> None:
    """``openmm_mdgen.simulate``."""
    made = openmm_mdgen.simulate(job.atoms(), time=100, model=str(job.first))
    _ = made.trajectory[1]


def interpolate_function(job: Job) -> None:
    """``openmm_mdgen.interpolate``."""
    openmm_mdgen.interpolate(job.atoms(), job.atoms(), n_paths=1, time=50, model=str(job.ends))


def inpaint_function(job: Job) -> None:
    """``openmm_mdgen.inpaint``."""
    openmm_mdgen.inpaint(job.atoms(), [job.residues], model=str(TINY / "tiny-inpaint.safetensors"), steps=1)


def upsample_function(job: Job) -> None:
    """``openmm_mdgen.upsample``."""
    fine = openmm_mdgen.upsample(job.atoms(), 1.0, str(TINY / "tiny-upsample.safetensors"), dt=10.0)
    _ = fine.trajectory[1]


def atlas_command(job: Job) -> None:
    """``atlas``, the trajectory against itself."""
    for side in ("md/x", "made"):
        (job.folder / side).mkdir(parents=True, exist_ok=True)
    universe = job.files.universe()
    atoms = universe.atoms if job.select is None else universe.select_atoms(job.select)
    for folder in ("md/x", "made"):
        universe.trajectory[0]
        pdb = Path(folder) / "x.pdb"
        if job.files.topology.suffix == ".pdb" and job.select is None:
            pdb.write_text(job.files.topology.read_text())
        else:
            atoms.write(str(pdb))
        with Writer(str(Path(folder) / "x.xtc"), len(atoms), dt=10.0) as writer:
            for _ in universe.trajectory:
                writer.write(atoms)
    command("atlas", "md", "made", "--no-exposure")


USES: dict[str, Callable[[Job], None]] = {
    "simulate": simulate_command,
    "simulate, many": simulate_many,
    "interpolate": interpolate_command,
    "inpaint": inpaint_command,
    "design": design_command,
    "upsample": upsample_command,
    "evaluate": evaluate_command,
    "correct": correct_command,
    "show": show_command,
    "train --molecule": train_molecule,
    "train --network mdgen": train_mdgen,
    "atlas": atlas_command,
    "simulate()": simulate_function,
    "interpolate()": interpolate_function,
    "inpaint()": inpaint_function,
    "upsample()": upsample_function,
    "GenerativeIntegrator": integrator,
}


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def outcome(use: Callable[[Job], None], files: Files, select: str | None, weights: Path) -> Outcome:
    """What one command makes of one file."""
    with (
        tempfile.TemporaryDirectory() as name,
        _inside(Path(name)),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                use(job(files, select, Path(name), weights))
        except (MDGenError, click.ClickException) as error:
            line = str(error) if isinstance(error, MDGenError) else error.format_message()
            line = "; ".join(
                [line, *(f"warned: {one.message}" for one in caught if isinstance(one.message, MDGenWarning))]
            )
            line = line.replace(name, "").replace(str(files.topology.parent), "").replace(str(weights), "")
            return Outcome("FAULT" if "\n" in line else "line", line)
        except Exception as error:  # any other exception is what is looked for
            return Outcome("FAULT", f"{type(error).__name__}: {error}")
        return Outcome("works")


def table(found: dict[tuple[str, str], Outcome]) -> str:
    """Markdown: a row a command, a column a file (as it is / its protein selected), and the lines that were said."""
    lines: dict[str, int] = {}
    columns = [name for name in dict.fromkeys(name for name, _ in found) if not name.endswith(_SELECTED)]
    text = ["| | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for use in dict.fromkeys(use for _, use in found):
        cells = []
        for column in columns:
            pair = [found.get((name, use)) for name in (column, column + _SELECTED)]
            cells.append(" / ".join("not run" if one is None else _cell(one, lines) for one in pair))
        text.append(f"| {use} | " + " | ".join(cells) + " |")
    return "\n".join([*text, "", *(f"{number}. {line}" for line, number in lines.items())])


def _cell(one: Outcome, lines: dict[str, int]) -> str:
    """``works``, or the number of the line."""
    if one.kind == "works":
        return one.kind
    number = lines.setdefault(one.text, len(lines) + 1)
    return f"{number}" if one.kind == "line" else f"**FAULT** {number}"


@click.command()
@click.option("--shared", type=click.Path(path_type=Path), default=Path("../shared"), show_default=True)
@click.option("--only", multiple=True, help="These commands only.")
@click.option("--without", multiple=True, help="All commands but these, such as correct, which takes minutes for AdK.")
@click.option("--file", "names", multiple=True, help="Files whose name begins so, only.")
def main(shared: Path, only: tuple[str, ...], without: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Print the table."""
    inputs = [one for one in (*deposited(shared.resolve()), *shipped()) if not names or one.name.startswith(names)]
    uses = {name: use for name, use in USES.items() if name not in without and (not only or name in only)}
    found = {}
    with tempfile.TemporaryDirectory() as weights:
        for files in inputs:
            for select in (None, "protein"):
                row = files.name if select is None else files.name + _SELECTED
                for name, use in uses.items():
                    found[row, name] = outcome(use, files, select, Path(weights))
                    click.echo(f"{row}: {name}: {found[row, name].kind} {found[row, name].text}", err=True)
    click.echo(table(found))


if __name__ == "__main__":
    main()
