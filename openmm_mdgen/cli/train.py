"""``openmm-mdgen train``: MD in, weights out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from openmm_mdgen.errors import MDGenError


@click.command("train")
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--validation", multiple=True, type=click.Path(path_type=Path), help="Folder of MD to validate on; repeat for more."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("run"),
    show_default=True,
    help="Folder of the run; one that exists is resumed.",
)
@click.option(
    "--task",
    type=click.Choice(["simulate", "upsample", "design", "interpolate"]),
    default="simulate",
    show_default=True,
    help="What to learn; design takes a minute, and none of the options about steps, batches, networks and devices.",
)
@click.option(
    "--network",
    type=click.Choice(["peptide", "places", "mdgen"]),
    default="peptide",
    show_default=True,
    help="places: with the places of residues, which hold a fold, for --molecule. mdgen: the published network, for "
    "proteins; of the options it takes --steps, --minutes, --every, "
    "--width, --depth, --heads, --frames, --adamw-rate, --ema, --stride, --temperature, --seed and those of devices.",
)
@click.option("--interval", type=float, help="mdgen: ps between the frames of a window.  [default: the init's, or 400]")
@click.option("--crop", default=256, show_default=True, help="mdgen: residues of a window at most.")
@click.option("--batch", default=1, show_default=True, help="mdgen: windows of a step, over all processes.")
@click.option(
    "--molecule",
    is_flag=True,
    help="A surrogate of one molecule: chooses interval, window, split and network from its MD, starts from bundled "
    "weights, and judges what it made. Takes --network, --init, --steps, --minutes, --every, "
    "--temperature, --dt, --name, --seed.",
)
@click.option("--dt", type=float, help="molecule: ps between the frames of the MD, where it does not say.")
@click.option("--init", help="Start from a model: a bundled name or a weights file.")
@click.option("--name", default="model", show_default=True, help="Name written into the weights.")
@click.option("--steps", default=10_000, show_default=True)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="End after this time if steps are left.")
@click.option("--workers", default=0, show_default=True, help="Processes that draw batches; several feed a GPU.")
@click.option(
    "--compile", "compiled", is_flag=True, help="Compile the network first: half a minute, then faster steps on a GPU."
)
@click.option("--every", default=250, show_default=True, help="Steps between checkpoints.")
@click.option("--width", default=192, show_default=True)
@click.option("--depth", default=6, show_default=True)
@click.option("--heads", default=6, show_default=True)
@click.option("--patch", default=2, show_default=True, help="Frames that share a token inside the network.")
@click.option("--frames", default=64, show_default=True, help="Frames of a window.")
@click.option("--tokens", default=8192, show_default=True, help="Frames times residues of a batch.")
@click.option(
    "--inpaint",
    default=0.18,
    show_default=True,
    help="Share of batches in which some residues are given in every frame; 0 for a network that cannot inpaint.",
)
@click.option("--muon-rate", default=2e-3, show_default=True)
@click.option("--adamw-rate", default=1e-3, show_default=True)
@click.option("--decay", default=0.4, show_default=True, help="Share of the steps over which the rate falls to zero.")
@click.option("--ema", default=0.999, show_default=True)
@click.option(
    "--forget",
    type=click.FloatRange(0, 1),
    help="Share of residues that are not told their neighbours, so that sequences are not learned by heart.  "
    "[default: 0.3 for upsample, else 0]",
)
@click.option("--stride", default=1, show_default=True, help="Keep every n-th frame of the data.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2000, min_open=True),
    help="K, of trajectories that no temperatures.csv (trajectory,temperature_K) beside them names.",
)
@click.option("--precision", default="auto", show_default=True, help="auto, 32-true, bf16-mixed or 16-mixed.")
@click.option("--accelerator", default="auto", show_default=True)
@click.option("--devices", default="auto", show_default=True)
@click.option("--nodes", default=1, show_default=True)
@click.option("--threads", type=int, help="CPU threads.")
@click.option("--seed", default=0, show_default=True)
def command(
    data: tuple[Path, ...],
    validation: tuple[Path, ...],
    out: Path,
    task: str,
    network: str,
    interval: float | None,
    crop: int,
    batch: int,
    molecule: bool,
    dt: float | None,
    init: str | None,
    name: str,
    steps: int,
    every: int,
    width: int,
    depth: int,
    heads: int,
    patch: int,
    frames: int,
    tokens: int,
    inpaint: float,
    muon_rate: float,
    adamw_rate: float,
    decay: float,
    ema: float,
    forget: float | None,
    stride: int,
    temperature: float | None,
    minutes: float | None,
    workers: int,
    compiled: bool,
    precision: str,
    accelerator: str,
    devices: str,
    nodes: int,
    threads: int | None,
    seed: int,
) -> None:
    """Train a model on the MD in the folders DATA, or fine-tune one with --init.

    Trajectories are found recursively, in any format that MDAnalysis reads, each beside a topology file with the same
    atoms. A run that was killed goes on from its last checkpoint when the same command is given again.
    """
    import torch

    from openmm_mdgen.network.velocity import VelocityConfig
    from openmm_mdgen.train.gaps import GapConfig
    from openmm_mdgen.train.identity_run import train_design
    from openmm_mdgen.train.run import TrainConfig, train
    from openmm_mdgen.train.windows import TrainingTask, WindowConfig

    if threads:
        torch.set_num_threads(threads)
    if molecule:
        from openmm_mdgen.cli.molecule import Run, train_molecule

        source = click.get_current_context().get_parameter_source("network")
        run = Run(
            out=out,
            init=init,
            network=None if source is ParameterSource.DEFAULT else network,
            minutes=minutes,
            steps=steps,
            every=every,
            name=name,
            accelerator=accelerator,
            devices=devices,
            precision=precision,
            seed=seed,
        )
        weights = train_molecule(data, run, temperature=temperature, dt=dt)
        click.echo(f"weights: {weights}")
        return
    if network == "places":
        raise MDGenError("--network places is of one molecule; give --molecule too, or leave it out")
    if network == "mdgen":
        from openmm_mdgen.cli.train_mdgen import train_mdgen

        click.echo(f"weights: {train_mdgen(click.get_current_context())}")
        return
    if task == "interpolate":
        raise MDGenError("--task interpolate is for --network mdgen; the peptide network learns it with simulate")

    def by_flow(windows: TrainingTask) -> Path:
        shape = VelocityConfig(width=width, depth=depth, heads=heads, patch=patch, inpaints=False)
        config = TrainConfig(
            network=windows.shape(shape),
            windows=windows,
            n_steps=steps,
            every=every,
            muon_rate=muon_rate,
            adamw_rate=adamw_rate,
            decay=decay,
            ema=ema,
            hidden_neighbours=windows.hidden_neighbours if forget is None else forget,
            seed=seed,
            precision=precision,
            accelerator=accelerator,
            devices=devices,
            n_nodes=nodes,
            temperature=temperature,
            minutes=minutes,
            workers=workers,
            compiled=compiled,
            name=name,
        )
        return train(data, validation, out, config, init=init, stride=stride)

    def by_table() -> Path:
        if init:
            raise MDGenError("--init names a model to start from, but design is fitted anew; leave it out")
        return train_design(data, validation, out, name=name, temperature=temperature, stride=stride, seed=seed)

    runs: dict[str, Callable[[], Path]] = {
        "simulate": lambda: by_flow(WindowConfig(n_frames=frames, n_tokens=tokens, residues=inpaint)),
        "upsample": lambda: by_flow(GapConfig(n_tokens=tokens)),
        "design": by_table,
    }
    click.echo(f"weights: {runs[task]()}")
