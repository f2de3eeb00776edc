"""``openmm-mdgen train --network mdgen``: the published network from the options of ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from openmm_mdgen.errors import MDGenError

_PUBLISHED = {"width": 384, "depth": 5, "heads": 16, "frames": 250, "adamw_rate": 1e-4, "temperature": 300.0}


def train_mdgen(context: click.Context) -> Path:
    """The weights file; where an option was not given, the paper's value, or that of the weights to start from."""
    from openmm_mdgen.published.config import PublishedConfig
    from openmm_mdgen.published.file import load_published
    from openmm_mdgen.published.tokens import PublishedTokens
    from openmm_mdgen.train.protein_run import ProteinTrainConfig, train_proteins
    from openmm_mdgen.train.protein_windows import ProteinWindowConfig

    options = context.params
    tokens = {
        "simulate": PublishedTokens(),
        "interpolate": PublishedTokens(key_frames="ends", given="ends"),
    }.get(options["task"])
    if tokens is None:
        raise MDGenError(f"--network mdgen learns to simulate or interpolate, not {options['task']!r}; choose --task")
    start: dict[str, object] = {}
    if options["init"]:
        settings = load_published(options["init"]).settings
        start = {"frames": settings.n_frames, "interval": settings.interval, "temperature": settings.temperature}

    def option(name: str) -> Any:
        given = context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
        return options[name] if given else start.get(name, _PUBLISHED.get(name, options[name]))

    network = PublishedConfig(width=option("width"), n_layers=option("depth"), n_heads=option("heads"), n_positions=0)
    windows = ProteinWindowConfig(
        n_frames=option("frames"),
        interval=option("interval") or 400.0,
        crop=options["crop"],
        batch=options["batch"],
    )
    names = ("every", "minutes", "ema", "seed", "precision", "accelerator", "devices")
    config = ProteinTrainConfig(
        network=network,
        tokens=tokens,
        windows=windows,
        n_steps=options["steps"],
        rate=option("adamw_rate"),
        n_nodes=options["nodes"],
        temperature=option("temperature") or 300.0,
        **{name: options[name] for name in names},
    )
    return train_proteins(
        options["data"], options["validation"], options["out"], config, init=options["init"], stride=options["stride"]
    )
