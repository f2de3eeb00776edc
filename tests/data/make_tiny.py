"""Write the small files of this folder: two peptides, a little MD of alanine dipeptide, and three untrained networks.

The peptides hold the residue types that the others here lack. The networks have random weights but plausible scales, so
that real code paths give frames that look like a peptide's, in milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import openmm as mm
import torch
from openmm import app, unit

from openmm_mdgen.forcefield.build import build_peptide, build_system
from openmm_mdgen.geometry.internal import PHI, PSI
from openmm_mdgen.geometry.sidechains import TYPES
from openmm_mdgen.network.velocity import VelocityConfig, VelocityNetwork
from openmm_mdgen.tokens.gaps import N_GAP_CHANNELS, N_GAP_VALUES
from openmm_mdgen.tokens.noise_colour import GapSpectra
from openmm_mdgen.weights.checkpoint import Weights, save_weights

FOLDER = Path(__file__).parent
PEPTIDES = ("NDKMF", "PSWYP")
LENGTHS, ANGLES = (1.46, 1.52, 1.335), (1.94, 2.03, 2.12, 1.93, 1.93, 1.98)  # Å and radians, in the order of INTERNAL


def write_peptide(sequence: str) -> None:
    """An extended, minimised peptide as a PDB file."""
    topology, positions = build_peptide(sequence)
    with open(FOLDER / f"{sequence}.pdb", "w", encoding="utf-8") as handle:
        app.PDBFile.writeFile(topology, positions * unit.angstrom, handle)


def write_md() -> None:
    """160 frames 1 ps apart and 60 frames 0.1 ps apart of ACE-A-NME at 350 K."""
    pdb = app.PDBFile(str(FOLDER / "ACE-A-NME.pdb"))
    folder = FOLDER / "md"
    folder.mkdir(exist_ok=True)
    with open(folder / "topology.pdb", "w", encoding="utf-8") as handle:
        app.PDBFile.writeFile(pdb.topology, pdb.positions, handle)
    integrator = mm.LangevinMiddleIntegrator(350 * unit.kelvin, 0.3 / unit.picosecond, 0.004)
    integrator.setRandomNumberSeed(1)
    platform = mm.Platform.getPlatform("Reference")
    simulation = app.Simulation(pdb.topology, build_system(pdb.topology, hydrogen_mass=3.0), integrator, platform)
    simulation.context.setPositions(pdb.positions)
    simulation.context.setVelocitiesToTemperature(350 * unit.kelvin, 1)
    simulation.step(5000)
    for name, every, n_frames in (("coarse.xtc", 250, 160), ("fine.xtc", 25, 60)):
        simulation.reporters = [app.XTCReporter(str(folder / name), every)]
        simulation.currentStep = 0
        simulation.step(every * n_frames)


def random_network(config: VelocityConfig, seed: int) -> VelocityNetwork:
    """A network whose every parameter is small noise."""
    network, generator = VelocityNetwork(config), torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return network


def plausible_spectra() -> GapSpectra:
    """Motion that falls with the frequency, psi against the next phi, at two spacings and two intervals."""
    pairs = torch.tensor([[1.0, 0.1], [10.0, 0.1], [1.0, 0.5], [10.0, 1.0]])
    frequencies = torch.stack([torch.logspace(math.log10(0.5 / s), math.log10(0.5 / d), 4) for s, d in pairs.tolist()])
    size = torch.tensor([*(0.2,) * 7, *(0.03,) * 3, *(0.05,) * 6]).square()
    variance = size / (1 + frequencies.square())[:, :, None, None] / (10 * pairs[:, 1])[:, None, None, None]
    before = torch.zeros(N_GAP_CHANNELS, N_GAP_CHANNELS)
    before[PHI, PSI] = -0.5
    mean = torch.tensor([*(0.0,) * 7, *LENGTHS, *ANGLES]).repeat(len(TYPES), 1)
    return GapSpectra(
        pairs=pairs,
        frequencies=frequencies,
        variance=variance.expand(-1, -1, len(TYPES), -1).contiguous(),
        own=torch.eye(N_GAP_CHANNELS).repeat(4, 4, 1, 1),
        before=before.repeat(4, 4, 1, 1),
        mean=mean,
        kept=torch.tensor([*(0.0,) * 7, *(0.1,) * 9]),
    )


def write_networks() -> None:
    """``tiny`` simulates, ``tiny-inpaint`` inpaints and designs too, ``tiny-upsample`` upsamples."""
    config = VelocityConfig(width=16, depth=1, heads=2)
    mean = torch.tensor([0.0, -1.0, *(0.0,) * 12, *LENGTHS, *ANGLES])
    std = torch.tensor([0.15, 0.02, *(math.sqrt(0.5),) * 12, *(0.03,) * 3, *(0.05,) * 6])
    tables = {"mean": mean, "std": std}
    weights = Weights(config, random_network(config, 0).state_dict(), tables, name="tiny", lengths=(1, 6))
    save_weights(FOLDER / "tiny.safetensors", weights)
    config = replace(config, inpaints=True)
    weights = Weights(config, random_network(config, 2).state_dict(), tables, name="tiny-inpaint", lengths=(1, 6))
    save_weights(FOLDER / "tiny-inpaint.safetensors", weights)
    config = VelocityConfig(width=16, depth=1, heads=2, channels=N_GAP_CHANNELS, given_channels=N_GAP_VALUES)
    save_weights(
        FOLDER / "tiny-upsample.safetensors",
        Weights(
            config,
            random_network(config, 1).state_dict(),
            asdict(plausible_spectra()),
            name="tiny-upsample",
            task="upsample",
            intervals=(0.1, 1.0),
            spacings=(1.0, 10.0),
            lengths=(1, 6),
        ),
    )


if __name__ == "__main__":
    write_networks()
    write_md()
    for peptide in PEPTIDES:
        write_peptide(peptide)
