"""The scene as HTML: one file, nothing fetched, the viewer (3Dmol) inside."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from MDAnalysis import AtomGroup

from openmm_mdgen.convert.bonds import bonds_by_distance
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.show.scene import Scene, scene_of

_HERE = Path(__file__).parent
_VIEWER = _HERE.parent / "evaluation" / "vendor" / "3Dmol-min.js"


def write_page(atoms: AtomGroup, path: Path, title: str) -> Scene:
    """Show the trajectory of these atoms in an HTML file.

    Parameters
    ----------
    atoms : AtomGroup
        What to show; its Universe's whole trajectory is read.
    path : Path
        The file; it gets its name when it is complete.
    title : str
        Plain text.

    Returns
    -------
    Scene
        What was shown.

    Raises
    ------
    MDGenError
        If there are too many atoms, a position is no number, or the file cannot be written.

    Examples
    --------
    >>> universe = openmm_mdgen.simulate("pep.pdb", time=1_000)
    >>> write_page(universe.atoms, Path("pep.html"), "pep")
    """
    scene = scene_of(atoms)
    text = render(scene, title)
    with replacing(path, durable=False) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return scene


def render(scene: Scene, title: str) -> str:
    """The page as text."""
    template = (_HERE / "page.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": html.escape(title),
        "ABOUT": html.escape(_about(scene)),
        "VIEWER": _VIEWER.read_text(encoding="utf-8"),
        "DATA": json.dumps(_data(scene), separators=(",", ":")).replace("<", "\\u003c"),
    }
    pieces = template.split("%%")  # text, key, text, key, ..., text
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _about(scene: Scene) -> str:
    """The line below the title."""
    shown = len(scene.frames)
    which = f"{shown} frames" if shown == scene.n_frames else f"{shown} of {scene.n_frames} frames, evenly spread"
    return f"{len(scene.names)} atoms, {which}, superposed on the first"


def _data(scene: Scene) -> dict[str, object]:
    """What the script reads."""
    scale = max(float(np.abs(scene.frames).max()), 1e-3) / 32_000
    return {
        "pdb": _pdb(scene),
        "bonds": bonds_by_distance(scene.frames[0], np.array(scene.elements)).tolist(),
        "scale": scale,
        "frames": _packed(scene.frames / scale),
        "times": [round(float(t), 6) for t in scene.times],
        "residues": [
            {"label": r.label, "phi": _packed(r.phi * 100), "psi": _packed(r.psi * 100)} for r in scene.residues
        ],
        "series": [{"label": s.label, "values": _rounded(s.values)} for s in scene.series],
    }


def _packed(values: np.ndarray) -> str:
    """Numbers within 32,767 of 0 as base64 of little-endian int16."""
    return base64.b64encode(np.round(values).astype("<i2").tobytes()).decode("ascii")


def _rounded(values: np.ndarray) -> Sequence[float]:
    return [round(float(x), 3) for x in values]


def _pdb(scene: Scene) -> str:
    """The first frame as PDB text."""
    lines = []
    rows = zip(scene.names, scene.resnames, scene.resids, scene.elements, scene.frames[0], strict=True)
    for k, (name, resname, resid, element, (x, y, z)) in enumerate(rows, 1):
        atom = f"{name if len(name) == 4 else f' {name}':<4.4s} {resname:>3.3s} A{resid % 10_000:4d}"
        place = f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
        lines.append(f"ATOM  {k % 100_000:5d} {atom}    {place}          {element:>2.2s}")
    return "\n".join([*lines, "END", ""])
