"""Frames as text for the three-dimensional view."""

from __future__ import annotations

import numpy as np

from openmm_mdgen.evaluation.topology import Topology

_LINES = 30_000


def pdb_text(frames: np.ndarray, topology: Topology) -> str:
    """Multi-model PDB text of heavy atoms (F, N, 3) Å; frames are thinned to keep it below about 2.5 MB."""
    frames = frames[:: max(1, -(-frames[..., 0].size // _LINES))]
    heads = [
        f"ATOM  {i + 1:5d} {name if len(name) == 4 else f' {name}':<4s} {resname:>3s} A{residue + 1:4d}    "
        for i, (name, resname, residue) in enumerate(
            zip(topology.names, topology.resnames, topology.residues, strict=True)
        )
    ]
    elements = [n.lstrip("0123456789")[:1] for n in topology.names]
    lines = []
    for number, frame in enumerate(frames):
        lines.append(f"MODEL {number + 1:8d}")
        lines += [
            f"{head}{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {element:>2s}"
            for head, element, (x, y, z) in zip(heads, elements, frame, strict=True)
        ]
        lines.append("ENDMDL")
    return "\n".join(lines) + "\nEND\n"
