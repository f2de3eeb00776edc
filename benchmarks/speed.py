"""Nanoseconds per second of wall time, generated and by molecular dynamics of the same System, in one run.

Per peptide: OpenMM MD (ff14SB, native GBSAOBCForce, 4 fs) on the fastest platform present; one replica through
`Simulation` with an XTCReporter; 16 replicas through `openmm-mdgen simulate`, start-up included. Prints a table.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app, unit

from openmm_mdgen.forcefield.build import build_system
from openmm_mdgen.integrator import GenerativeIntegrator

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "tetrapeptides" / "test"
STEP = 0.004  # ps
FRAME = 2500  # steps
COMMAND = [sys.executable, "-c", "from openmm_mdgen.cli import main; main()"]


@dataclass(frozen=True)
class Row:
    """Figures of one peptide, in ns of trajectory per second of wall time."""

    peptide: str
    n_atoms: int
    platform: str
    md: float
    simulation: float
    command_line: float


def simulation_of(pdb: app.PDBFile, system: mm.System, integrator: mm.Integrator, platform: str) -> app.Simulation:
    """A Simulation with positions set."""
    simulation = app.Simulation(pdb.topology, system, integrator, mm.Platform.getPlatformByName(platform))
    simulation.context.setPositions(pdb.positions)
    return simulation


def md_speed(pdb: app.PDBFile, system: mm.System, platform: str, seconds: float) -> float:
    """ns/s of MD, after a tenth of that time of warming up."""
    simulation = simulation_of(pdb, system, mm.LangevinMiddleIntegrator(350, 0.3, STEP), platform)
    simulation.context.setVelocitiesToTemperature(350)
    _steps_within(simulation, seconds / 10)
    began = time.perf_counter()
    steps = _steps_within(simulation, seconds)
    return steps * STEP / 1000 / (time.perf_counter() - began)


def _steps_within(simulation: app.Simulation, seconds: float) -> int:
    """Run for some seconds; steps are taken by the hundred, in C++, so that Python costs MD nothing."""
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        simulation.integrator.step(100)
        steps += 100
    return steps


def fastest_md(pdb: app.PDBFile, system: mm.System, seconds: float) -> tuple[str, float]:
    """The fastest platform present and its ns/s."""
    names = [mm.Platform.getPlatform(i).getName() for i in range(mm.Platform.getNumPlatforms())]
    speeds = {name: md_speed(pdb, system, name, seconds) for name in names}
    best = max(speeds, key=lambda name: speeds[name])
    return best, speeds[best]


def simulation_speed(
    pdb: app.PDBFile, system: mm.System, platform: str, folder: Path, model: str, n_frames: int
) -> float:
    """ns/s of one replica through Simulation, XTC written, after the first block."""
    integrator = GenerativeIntegrator(pdb.topology, temperature=350 * unit.kelvin, stepSize=STEP, model=model, seed=0)
    simulation = simulation_of(pdb, system, integrator, platform)
    simulation.reporters.append(app.XTCReporter(str(folder / "one.xtc"), FRAME))
    simulation.step(FRAME)
    began = time.perf_counter()
    simulation.step(FRAME * n_frames)
    return n_frames * FRAME * STEP / 1000 / (time.perf_counter() - began)


def command_line_speed(structure: Path, folder: Path, model: str, n_frames: int, replicas: int = 16) -> float:
    """ns/s of all replicas together, from starting the process to its end."""
    length = n_frames * FRAME * STEP  # ps
    arguments = ["simulate", str(structure), "--time", f"{length:g}ps", "--replicas", str(replicas), "--model", model]
    began = time.perf_counter()
    subprocess.run([*COMMAND, *arguments, "-o", str(folder / "many.xtc")], check=True, stdout=subprocess.DEVNULL)
    return replicas * length / 1000 / (time.perf_counter() - began)


def measure(structure: Path, model: str, n_frames: int, md_seconds: float) -> Row:
    """All figures of one peptide."""
    pdb = app.PDBFile(str(structure))
    system = build_system(pdb.topology, hydrogen_mass=3.0)
    platform, md = fastest_md(pdb, system, md_seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        through_simulation = simulation_speed(pdb, system, platform, folder, model, n_frames)
        command_line = command_line_speed(structure, folder, model, n_frames)
    return Row(structure.parent.name, pdb.topology.getNumAtoms(), platform, md, through_simulation, command_line)


def table(rows: list[Row]) -> str:
    """The figures in markdown, and the median ratios."""
    lines = [
        "| peptide | atoms | MD, ns/s | Simulation, ns/s | x MD | command line, 16 replicas, ns/s | x MD |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.peptide} | {row.n_atoms} | {row.md:.4f} ({row.platform}) | {row.simulation:.2f} | "
            f"{row.simulation / row.md:.0f} | {row.command_line:.2f} | {row.command_line / row.md:.0f} |"
        )
    one = float(np.median([row.simulation / row.md for row in rows]))
    many = float(np.median([row.command_line / row.md for row in rows]))
    return "\n".join([*lines, f"| median | | | | {one:.0f} | | {many:.0f} |"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with a folder per peptide (allatom.pdb in it)")
    parser.add_argument("--peptides", nargs="*", help="names of folders (default: all)")
    parser.add_argument("--model", default="peptide", help="bundled name or file")
    parser.add_argument("--frames", type=int, default=2000, help="frames of 10 ps per replica (default: 2000)")
    parser.add_argument("--md-seconds", type=float, default=5.0, help="seconds of MD per platform (default: 5)")
    options = parser.parse_args()
    names = options.peptides or sorted(path.parent.name for path in options.data.glob("*/allatom.pdb"))
    if not names:
        parser.error(f"{options.data} has no folder with an allatom.pdb; give one with --data")
    structures = [options.data / name / "allatom.pdb" for name in names]
    print(table([measure(path, options.model, options.frames, options.md_seconds) for path in structures]))


if __name__ == "__main__":
    main()
