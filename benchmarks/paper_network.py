"""Time and memory of the network at the paper's size: `python benchmarks/paper_network.py` prints a markdown table.

One velocity evaluation and one trajectory (dopri5 at the published tolerances, and 20 Euler steps) of a tetrapeptide,
with random weights: the work does not depend on them, except for the number of evaluations that dopri5 takes. To
compare, run the published ``LatentMDGenModel(args, 21)`` at its default sizes on tensors of the same shapes, on as
many threads.
"""

import argparse
import resource
import time

import torch

from openmm_mdgen.flow.sampler import integrate
from openmm_mdgen.published.config import PublishedConfig
from openmm_mdgen.published.network import PublishedNetwork
from openmm_mdgen.published.residues import tables
from openmm_mdgen.published.tokens import PublishedTokens


def main() -> None:
    """Measure and print."""
    options = parse_options()
    torch.manual_seed(0)
    device = torch.device(options.device)
    network = make_network(options.compile).to(device)
    conditioning = make_conditioning(options.frames, options.replicas).to(device, torch.float32)
    x_0 = torch.randn(options.replicas, options.frames, 4, 21, device=device)
    t = torch.full((options.replicas,), 0.5, device=device)
    bfloat16 = torch.autocast(device.type, torch.bfloat16, enabled=options.dtype == "bfloat16")
    with torch.inference_mode(), bfloat16:
        velocity = network.velocity(conditioning)
        first = seconds(lambda: velocity(x_0, t), device)
        evaluation = min(seconds(lambda: velocity(x_0, t), device) for _ in range(options.repeats))
        rows = [("first evaluation", first), ("one evaluation", evaluation)]
        if options.trajectory:
            counted = Counted(velocity)
            rows.append(("20 Euler steps", seconds(lambda: integrate(velocity, x_0, n_steps=20), device)))
            took = seconds(lambda: integrate(counted, x_0, solver="dopri5", atol=1e-6, rtol=1e-3), device)
            rows.append((f"dopri5, {counted.n} evaluations", took))
    n_parameters = sum(p.numel() for p in network.parameters())
    print(
        f"{n_parameters / 1e6:.1f} M parameters, {options.replicas} x {options.frames} frames, {options.dtype}, "
        f"{options.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n"
    )
    print("| what | seconds | processor seconds |\n|---|---|---|")
    for name, (wall, processor) in rows:
        print(f"| {name} | {wall:.2f} | {processor:.2f} |")
    print(f"\npeak memory: {peak_memory(device):.2f} GB")


def parse_options() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="compile the layers")
    parser.add_argument("--trajectory", action="store_true", help="whole trajectories too")
    return parser.parse_args()


def make_network(compile_layers: bool) -> PublishedNetwork:
    """The paper's network, with gates that are not zero."""
    network = PublishedNetwork(PublishedConfig()).eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.02)
    if compile_layers:
        for layer in network.layers:
            layer.compile()
    return network


def make_conditioning(n_frames: int, n_replicas: int):
    """The first frame of a tetrapeptide of random coordinates."""
    residues = torch.arange(4).expand(n_replicas, -1)
    mask = torch.from_numpy(tables().slot_mask)[residues][:, None, :, :, None]
    frame = torch.randn(n_replicas, 1, 4, 14, 3) * 3 * mask
    return PublishedTokens().encode(frame.expand(-1, n_frames, -1, -1, -1), residues).conditioning


class Counted:
    """A velocity that counts its evaluations."""

    def __init__(self, velocity) -> None:
        self.velocity, self.n = velocity, 0

    def __call__(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.n += 1
        return self.velocity(x_t, t)


def seconds(call, device: torch.device) -> tuple[float, float]:
    """Wall and processor time of a call; the second is the one to trust on a busy machine."""
    began = time.perf_counter(), time.process_time()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began[0], time.process_time() - began[1]


def peak_memory(device: torch.device) -> float:
    """GB: of the GPU, or of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
