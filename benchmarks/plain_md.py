"""Plain MD of a built peptide in any force field, a part at a time: goes on where an earlier call ended.

    python benchmarks/plain_md.py ACE-A-NME OUT.npz --force-field amber99sb.xml implicit/obc2.xml --ns 20 --seconds 500

OUT.npz gets the positions of all atoms (F, N, 3) Å every ps; four replicas run in turns of 1 ns.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app, unit

from openmm_mdgen.correction.explicit import implicit_system
from openmm_mdgen.correction.plan import choose_platform
from openmm_mdgen.forcefield.build import build_peptide

REPLICAS, STEP, PER_PART = 4, 0.004, 1000


def context_of(topology: app.Topology, files: list[str], temperature: float) -> mm.Context:
    system = implicit_system(topology, files)
    integrator = mm.LangevinMiddleIntegrator(temperature, 1.0, STEP)
    texts = mm.XmlSerializer.serialize(system), mm.XmlSerializer.serialize(integrator)
    start = np.random.default_rng(0).normal(size=(topology.getNumAtoms(), 3)) * 3
    platform = choose_platform(*texts, start, None)
    properties = {"Threads": "1"} if platform == "CPU" else {}
    return mm.Context(system, integrator, mm.Platform.getPlatformByName(platform), properties)


def part(context: mm.Context, state: dict[str, np.ndarray]) -> np.ndarray:
    """1 ns of one replica, which goes on from its state (positions and velocities)."""
    context.setPositions(state["x"])
    context.setVelocities(state["v"])
    frames = []
    for _ in range(PER_PART):
        context.getIntegrator().step(round(1 / STEP))
        frames.append(context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    last = context.getState(positions=True, velocities=True)
    state["x"], state["v"] = (np.array(q._value) for q in (last.getPositions(), last.getVelocities()))
    return np.array(frames, np.float32)


def started(context: mm.Context, positions: np.ndarray, temperature: float) -> list[dict[str, np.ndarray]]:
    """Replicas after 100 ps."""
    states = []
    for seed in range(1, REPLICAS + 1):
        context.setPositions(positions / 10)
        mm.LocalEnergyMinimizer.minimize(context)
        context.setVelocitiesToTemperature(temperature, seed)
        context.getIntegrator().step(round(100 / STEP))
        last = context.getState(positions=True, velocities=True)
        states.append({"x": np.array(last.getPositions()._value), "v": np.array(last.getVelocities()._value)})
    return states


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sequence")
    parser.add_argument("out", type=Path)
    parser.add_argument("--force-field", nargs="+", required=True)
    parser.add_argument("--ns", type=float, default=20.0)
    parser.add_argument("--temperature", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    begun = time.monotonic()
    topology, positions = build_peptide(args.sequence)
    context = context_of(topology, args.force_field, args.temperature)
    frames, states, used = [], [], 0.0
    if args.out.is_file():
        with np.load(args.out) as file:
            frames, used = list(file["frames"].reshape(-1, PER_PART, len(positions), 3)), float(file["seconds"])
            states = [{"x": x, "v": v} for x, v in zip(file["x"], file["v"], strict=True)]
    context.getIntegrator().setRandomNumberSeed(1 + len(frames))
    context.reinitialize()
    states = states or started(context, positions, args.temperature)
    while len(frames) < args.ns and time.monotonic() - begun < args.seconds:
        frames.append(part(context, states[len(frames) % REPLICAS]))
        np.savez(
            args.out,
            frames=np.concatenate(frames),
            x=np.array([s["x"] for s in states]),
            v=np.array([s["v"] for s in states]),
            seconds=used + time.monotonic() - begun,
        )
    print(f"{args.sequence}, {' '.join(args.force_field)}: {len(frames)} ns, {context.getPlatform().getName()}")


if __name__ == "__main__":
    main()
