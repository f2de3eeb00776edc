"""Memory of a training step of the published network at paper size: counted from what autograd keeps, or measured.

    python benchmarks/paper_step.py                       # counted: no GPU is needed
    python benchmarks/paper_step.py --device cuda         # measured, with seconds per step

34 M parameters, 250 frames of 256 residues, bf16 (autocast), AdamW and a moving average in float32.
"""

from __future__ import annotations

import time

import click
import torch

from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.rigids import Rigids
from openmm_mdgen.published.tokens import PublishedConditioning

GIB = 2**30


def conditioning(n_frames: int, n_residues: int, device: str) -> PublishedConditioning:
    """Of one window; nothing in it matters for memory."""
    rotation = torch.eye(3, device=device).expand(1, n_residues, 3, 3)
    rigids = Rigids(rotation, torch.zeros(1, n_residues, 3, device=device))
    given = torch.zeros(1, n_frames, n_residues, dtype=torch.bool, device=device)
    return PublishedConditioning(
        values=torch.zeros(1, n_frames, n_residues, 21, device=device),
        given=given,
        first=rigids,
        last=rigids,
        residues=torch.zeros(1, n_residues, dtype=torch.long, device=device),
        mask=torch.ones(1, n_residues, dtype=torch.bool, device=device),
    )


def count_saved(network: PublishedNetwork, n_frames: int, n_residues: int) -> int:
    """Bytes that autograd keeps for the backward pass, each tensor once, parameters left out."""
    own = {parameter.data_ptr() for parameter in network.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in own:
            seen[id(storage) if tensor.device.type == "meta" else storage.data_ptr()] = storage.nbytes()
            kept.append(storage)
        return tensor

    kept: list[object] = []
    device = str(next(network.parameters()).device)
    x = torch.zeros(1, n_frames, n_residues, 21, device=device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        network(x, torch.full((1,), 0.5, device=device), conditioning(n_frames, n_residues, device)).square().mean()
    return sum(seen.values())


def measured(network: PublishedNetwork, n_frames: int, n_residues: int, n_steps: int = 3) -> tuple[float, float]:
    """Peak memory in GiB and seconds of a step on a GPU."""
    network.to("cuda")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    average = [parameter.detach().clone() for parameter in network.parameters()]
    told, seconds = conditioning(n_frames, n_residues, "cuda"), 0.0
    torch.cuda.reset_peak_memory_stats()
    for _ in range(n_steps):
        torch.cuda.synchronize()
        began = time.perf_counter()
        x = torch.randn(1, n_frames, n_residues, 21, device="cuda")
        with torch.autocast("cuda", torch.bfloat16):
            loss = network(x, torch.full((1,), 0.5, device="cuda"), told).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        torch._foreach_lerp_(average, [parameter.detach() for parameter in network.parameters()], 0.001)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return torch.cuda.max_memory_allocated() / GIB, seconds


@click.command()
@click.option("--frames", default=250, show_default=True)
@click.option("--residues", default=256, show_default=True)
@click.option("--device", type=click.Choice(["meta", "cuda"]), default="meta", show_default=True)
def main(frames: int, residues: int, device: str) -> None:
    """Print the figures."""
    network = PublishedNetwork(PublishedConfig(n_positions=0, n_frames=frames))
    n = sum(parameter.numel() for parameter in network.parameters())
    click.echo(f"{n / 1e6:.1f} M parameters; {frames} frames x {residues} residues, bf16")
    if device == "cuda":
        peak, seconds = measured(network, frames, residues)
        click.echo(f"peak {peak:.1f} GiB, {seconds:.2f} s per step on {torch.cuda.get_device_name()}")
        return
    small = 16  # bytes kept are linear in tokens, but for what the residues alone take
    network.to("cpu")
    sizes = [count_saved(network, t, small) for t in (small, 2 * small)]
    per_token = (sizes[1] - sizes[0]) / (small * small)
    states = n * 4 * 5  # weights, gradients, two moments and the moving average in float32
    kept = per_token * frames * residues
    click.echo(
        f"kept for the backward pass: {per_token / 1024:.1f} KiB a token, {kept / GIB:.1f} GiB (attention's fused)"
    )
    click.echo(
        f"weights, gradients, moments, average: {states / GIB:.2f} GiB; in all about {(kept + states) / GIB:.1f} GiB"
    )


if __name__ == "__main__":
    main()
