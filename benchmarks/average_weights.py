"""The mean of weights that were trained from the same start: often better than each on what none of them has seen.

python benchmarks/average_weights.py runs/x1/model.safetensors runs/x2/model.safetensors -o runs/mean.safetensors

What is bundled: python benchmarks/average_weights.py runs/t/model.safetensors --half --temperatures 280 450 -o ...
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import torch

from openmm_mdgen.weights.checkpoint import load_weights, save_weights


@click.command()
@click.argument("weights", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--half", is_flag=True, help="Store the network in half precision.")
@click.option("--temperatures", type=(float, float), help="K, the range to be stated, inside that which was trained.")
def main(weights: tuple[str, ...], output: Path, half: bool, temperatures: tuple[float, float] | None) -> None:
    """Write the mean of WEIGHTS, with what the first of them says of itself."""
    loaded = [load_weights(name) for name in weights]
    if any(other.config != loaded[0].config for other in loaded):
        raise click.ClickException("the networks differ in shape")
    if any(not torch.equal(other.tables[key], table) for other in loaded for key, table in loaded[0].tables.items()):
        raise click.ClickException("their tokens are scaled differently: they were not trained from one start")
    state = {key: torch.stack([one.state[key] for one in loaded]).mean(0) for key in loaded[0].state}
    changes = {} if temperatures is None else {"temperatures": temperatures}
    save_weights(output, replace(loaded[0], state=state, **changes), dtype=torch.float16 if half else torch.float32)


if __name__ == "__main__":
    main()
