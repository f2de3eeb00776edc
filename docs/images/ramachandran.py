"""Draws the picture of README from what examples/swap_integrator.py wrote: `python ramachandran.py FOLDER`."""

import sys
from pathlib import Path

import MDAnalysis as mda
import numpy as np

from openmm_mdgen.cli.picture import Picture
from openmm_mdgen.convert.structures import load_structure

folder = Path(sys.argv[1])
universe = mda.Universe(folder / "peptide.pdb", folder / "out.dcd")
frames = np.stack([frame.positions for frame in universe.trajectory])
picture = Picture(load_structure(folder / "peptide.pdb"), len(frames), interval=10.0)
picture.add(frames[None].astype(float))
picture.draw(Path(__file__).with_name("ramachandran.png"), "swap_integrator.py: 10 ns of alanine dipeptide, generated")
