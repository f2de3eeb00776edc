"""``openmm-mdgen distill``: a student that takes few steps, from a model and MD."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("distill")
@click.argument("model")
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("student"),
    show_default=True,
    help="Folder of the run.",
)
@click.option(
    "--evaluations",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Of the network, that the student takes for a block of frames.",
)
@click.option(
    "--substeps",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Midpoint steps of the teacher for one of the student's.",
)
@click.option(
    "--lessons", type=click.IntRange(1), default=2000, show_default=True, help="Batches of the teacher's paths."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="End after this time if lessons are left.")
@click.option("--frames", type=click.IntRange(8), default=64, show_default=True, help="Frames of a window.")
@click.option("--tokens", default=8192, show_default=True, help="Frames times residues of a batch.")
@click.option(
    "--stride", type=click.IntRange(1), default=1, show_default=True, help="Keep every n-th frame of the data."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2000, min_open=True),
    help="K, of trajectories that no temperatures.csv (trajectory,temperature_K) beside them names.",
)
@click.option("--muon-rate", default=5e-4, show_default=True)
@click.option("--adamw-rate", default=3e-4, show_default=True)
@click.option("--ema", default=0.995, show_default=True)
@click.option("--name", help="Name written into the weights.  [default: the model's]")
@click.option(
    "--every", type=click.IntRange(1), default=50, show_default=True, help="Lessons between rows of losses.csv."
)
@click.option("--workers", default=0, show_default=True, help="Processes that draw batches; several feed a GPU.")
@click.option(
    "--compile", "compiled", is_flag=True, help="Compile the network first: half a minute, then faster steps on a GPU."
)
@click.option("--device", help="Where to teach: cpu, cuda, mps.  [default: CUDA where it is present]")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
@click.option("--seed", default=0, show_default=True)
def command(
    model: str,
    data: tuple[Path, ...],
    out: Path,
    evaluations: int,
    substeps: int,
    lessons: int,
    minutes: float | None,
    frames: int,
    tokens: int,
    stride: int,
    temperature: float | None,
    muon_rate: float,
    adamw_rate: float,
    ema: float,
    name: str | None,
    every: int,
    workers: int,
    compiled: bool,
    device: str | None,
    threads: int | None,
    seed: int,
) -> None:
    """Teach a student of MODEL, a bundled name or a weights file, to make blocks in few evaluations of its network.

    The student follows the model's own paths from noise to frames; of the MD in the folders DATA only what frames are
    given is used. The weights hold both: the student is the default, and --steps asks its teacher.
    """
    import torch

    from openmm_mdgen.train.distill_run import DistillConfig, distill_weights
    from openmm_mdgen.weights.checkpoint import choose_device

    if threads:
        torch.set_num_threads(threads)
    config = DistillConfig(
        evaluations=evaluations,
        substeps=substeps,
        n_lessons=lessons,
        minutes=minutes,
        muon_rate=muon_rate,
        adamw_rate=adamw_rate,
        ema=ema,
        seed=seed,
        workers=workers,
        compiled=compiled,
        every=every,
    )
    weights = distill_weights(
        model,
        data,
        out,
        config,
        n_frames=frames,
        n_tokens=tokens,
        stride=stride,
        temperature=temperature,
        name=name,
        device=choose_device(device),
    )
    click.echo(f"weights: {weights}")
