"""``openmm-mdgen simulate``: trajectories of a peptide, straight to files."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from pathlib import Path

import click
from tqdm import tqdm

from openmm_mdgen.cli import show
from openmm_mdgen.cli.finishing import Finisher, Relaxer, Warmer
from openmm_mdgen.cli.many import SimulateOneOrMany
from openmm_mdgen.cli.options import (
    Sampling,
    interval_option,
    output_option,
    quiet_option,
    replicas_option,
    sampling_options,
    select_option,
    time_option,
)
from openmm_mdgen.cli.output import TrajectoryFiles, check_output, output_names
from openmm_mdgen.cli.quantities import Count, Time
from openmm_mdgen.cli.start import Start, find_start, write_topology
from openmm_mdgen.convert.times import time_to_text, whole_intervals
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.names import is_same_file
from openmm_mdgen.tasks.propagator import Propagator
from openmm_mdgen.tasks.protocols import ModelInfo, bind_simulator, model_info
from openmm_mdgen.weights.familiarity import warn_of_the_unfamiliar
from openmm_mdgen.weights.roles import as_simulator, sampled_temperature, with_steps

_DAY = 86_400.0  # s
_RECIPE = ".mdgen"


@dataclass(frozen=True)
class Options:
    """What to generate; times in ps."""

    n_frames: int
    skip: int
    interval: float
    n_replicas: int
    sampling: Sampling
    relax: bool
    thermalise: int
    hydrogens: str
    quiet: bool

    @property
    def length(self) -> float:
        """Length of one trajectory, ps."""
        return self.n_frames * self.interval


@click.command("simulate", cls=SimulateOneOrMany, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("structure", type=click.Path(path_type=Path), nargs=-1)
@click.option("--sequence", help="Build this peptide instead, zwitterionic or capped: STHK, ACE-A-NME.")
@select_option
@time_option("10ns")
@interval_option
@click.option("--equilibrate", type=Time(), help="Time that is generated first and left out.")
@replicas_option
@output_option(
    None,
    ", or .mdgen for a recipe; several get _00, _01, ... Default: NAME_generated.xtc, with a picture and a page "
    "beside it.",
)
@sampling_options
@click.option(
    "--relax", is_flag=True, help="Minimise every frame for a short while (ff14SB, OBC2) before it is written."
)
@click.option(
    "--thermalise",
    type=Count(0),
    default=0,
    show_default=True,
    help="Steps of 2 fs of real dynamics (ff14SB, OBC2) that every frame is run for before it is written.",
)
@click.option(
    "--hydrogens",
    type=click.Choice(["moving", "thermal", "quiet"]),
    default="moving",
    show_default=True,
    help="Drawn as in MD, with side chains' bond lengths; thermal: their angles too; quiet: all as in the start.",
)
@quiet_option
def command(
    structure: Path | None,
    sequence: str | None,
    select: str | None,
    time: float,
    interval: float,
    equilibrate: float | None,
    replicas: int,
    output: Path | None,
    sampling: Sampling,
    relax: bool,
    thermalise: int,
    hydrogens: str,
    quiet: bool,
) -> None:
    """Generate trajectories that start from STRUCTURE, or from the peptide that --sequence names.

    Several STRUCTUREs, or --sequences, are made side by side into the folder that -o names: what fails stops no other,
    and a second run makes what is missing.

    The first frame is one interval after the start. Frames keep the orientation of the start. With --relax the written
    frames are minimised, with --thermalise they are run for some steps; the trajectory goes on from frames without it.
    """
    options = Options(
        n_frames=whole_intervals(time, interval, "--time"),
        skip=whole_intervals(equilibrate, interval, "--equilibrate") if equilibrate else 0,
        interval=interval,
        n_replicas=replicas,
        sampling=sampling,
        relax=relax,
        thermalise=thermalise,
        hydrogens=hydrogens,
        quiet=quiet,
    )
    start = find_start(structure, sequence, select)
    wanted = output or Path(f"{start.name}_generated.xtc")
    paths = output_names(wanted, replicas)
    is_recipe = wanted.suffix.lower() == _RECIPE
    for path in paths:
        check_output(path, is_trajectory=not is_recipe)
        _keep_input(path, structure)
    if is_recipe:
        _write_recipes(start, options, wanted, paths)
    else:
        _write_frames(start, options, wanted, paths, draw=output is None)


def _write_frames(start: Start, options: Options, output: Path, paths: list[Path], draw: bool) -> None:
    """Generate and write all frames, then say what was done."""
    from openmm_mdgen.cli.picture import Picture
    from openmm_mdgen.trajectory.streaming import made_ahead, stream_frames

    model, propagator = _load(start, options)
    finishers = _finishers(start, options, model)
    picture = Picture(start.structure, options.n_frames, options.interval) if draw else None
    topology = _write_topology(start, output)
    blocks = stream_frames(
        propagator,
        start.structure.positions,
        options.n_frames,
        seed=options.sampling.seed,
        n_replicas=options.n_replicas,
        skip=options.skip,
    )
    begin = clock.perf_counter()
    with TrajectoryFiles(paths, start.structure, options.interval) as files, _bar(options) as bar:
        for frames in made_ahead(blocks):
            written = frames
            for finisher in finishers:
                written = finisher.finished(written)
            files.write(written)
            if picture:
                picture.add(written)
            bar.update(written.shape[0] * written.shape[1])
            bar.set_postfix_str(f"{_ns_per_day(bar.n * options.interval, clock.perf_counter() - begin):,.0f} ns/day")
    seconds = clock.perf_counter() - begin
    _tell(options, model, paths, topology, seconds)
    for finisher in finishers:
        finisher.tell(seconds)
    if picture:
        drawing = output.with_suffix(".png")
        picture.draw(drawing, f"{start.name}, {options.n_replicas} x {time_to_text(options.length)}, generated")
        energy = picture.median_energy()
        click.echo(f"picture: {drawing}" + ("" if energy is None else f" (median energy {energy:.0f} kJ/mol)"))
        show.write(show.find_atoms(paths[0], topology or start.path, None), output.with_suffix(".html"), paths[0].name)


def _write_recipes(start: Start, options: Options, output: Path, paths: list[Path]) -> None:
    """Write recipe files, which hold no frames but make them when they are read."""
    from openmm_mdgen.trajectory.reader import recipe_to_universe
    from openmm_mdgen.trajectory.recipe import Recipe
    from openmm_mdgen.trajectory.recipe_file import write_recipe

    if options.relax or options.thermalise or options.sampling.steps is not None:
        raise MDGenError(
            "a .mdgen recipe cannot hold --relax, --thermalise or --steps; write the frames, with -o out.xtc"
        )
    topology = _write_topology(start, output) or start.path
    model = Path(options.sampling.model) if Path(options.sampling.model).is_file() else options.sampling.model
    for replica, path in enumerate(paths):
        recipe = Recipe(
            model=model,
            structure=topology.absolute() if topology else start.structure,
            n_frames=options.n_frames,
            interval=options.interval,
            seed=options.sampling.seed,
            replica=replica,
            skip=options.skip,
            hydrogens=options.hydrogens,
            temperature=options.sampling.temperature,
        )
        write_recipe(recipe_to_universe(recipe.with_hashes(), device=options.sampling.device).trajectory.recipe, path)
        click.echo(f"recipe of {options.n_frames} frames, {time_to_text(options.interval)} apart: {path}")


def _finishers(start: Start, options: Options, model: ModelInfo) -> list[Finisher]:
    """What is done to frames before they are written, in this order."""
    out: list[Finisher] = [Relaxer(start)] if options.relax else []
    if options.thermalise:
        out.append(
            Warmer(
                start,
                options.thermalise,
                options.sampling.temperature,
                model,
                options.sampling.seed,
                options.n_replicas,
            )
        )
    return out


def _load(start: Start, options: Options) -> tuple[ModelInfo, Propagator]:
    """What the model says of itself, and the propagator that it gives for the structure."""
    model = as_simulator(options.sampling.model, options.sampling.device)
    if options.sampling.steps is not None:
        model = with_steps(model, options.sampling.steps)
    info = model_info(model)
    kelvin = sampled_temperature(options.sampling.temperature, info)
    propagator = bind_simulator(
        model, start.structure, options.interval, temperature=kelvin, hydrogens=options.hydrogens
    )
    warn_of_the_unfamiliar(info, start.structure)
    return info, propagator


def _write_topology(start: Start, output: Path) -> Path | None:
    """Write the topology that goes with the output, where the user has no file of it."""
    if not start.pdb:
        return None
    path = output.with_suffix(".pdb")
    if path == output:
        path = output.with_name(f"{output.stem}_topology.pdb")
    write_topology(start, path)
    return path


def _keep_input(path: Path, structure: Path | None) -> None:
    if structure is not None and is_same_file(path, structure):
        raise MDGenError(f"output {str(path)!r} is the structure itself; choose another name")


def _bar(options: Options) -> tqdm:
    total = options.n_frames * options.n_replicas
    return tqdm(total=total, unit="frame", unit_scale=True, dynamic_ncols=True, disable=options.quiet or None)


def _ns_per_day(picoseconds: float, seconds: float) -> float:
    return picoseconds / 1000 / max(seconds, 1e-9) * _DAY


def _tell(options: Options, model: ModelInfo, paths: list[Path], topology: Path | None, seconds: float) -> None:
    """The summary."""
    names = str(paths[0]) if len(paths) == 1 else f"{paths[0]} ... {paths[-1]}"
    speed = _ns_per_day(options.n_replicas * options.length, seconds)
    click.echo(
        f"{options.n_replicas} x {options.n_frames} frames, {time_to_text(options.interval)} apart "
        f"({options.n_replicas} x {time_to_text(options.length)}): {names}"
    )
    if topology is not None:
        click.echo(f"topology: {topology}")
    ensemble = "" if model.temperature is None else f", ensemble at {model.temperature:g} K"
    click.echo(f"model {model.name}{ensemble}; {seconds:.1f} s, {speed:,.0f} ns/day")
