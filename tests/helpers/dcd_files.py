"""DCD files written field by field, so that tests of the reader do not lean on the writer."""

import struct
from pathlib import Path

import numpy as np
from MDAnalysis.lib.formats.libdcd import DCDFile

STEP_PS = 0.04888821


def write_dcd(
    path: Path,
    frames: np.ndarray,
    *,
    endian: str = "<",
    cells: np.ndarray | None = None,
    n_set: int | None = None,
    i_start: int = 0,
    n_savc: int = 100,
    n_step: int = 0,
    delta: float = 0.02,
    charmm: bool = True,
    n_fixed: int = 0,
    is_4d: bool = False,
    n_titles: int = 2,
    title_mark: int | None = None,
) -> Path:
    """(F, N, 3) Å and (F, 6) cells, in the layout of CHARMM or X-PLOR."""
    control = [len(frames) if n_set is None else n_set, i_start, n_savc, n_step, 0, 0, 0, 0, n_fixed]
    out = struct.pack(f"{endian}i4s9i", 84, b"CORD", *control)
    if charmm:
        out += struct.pack(f"{endian}f2i", delta, cells is not None, is_4d)
    else:
        out += struct.pack(f"{endian}di", delta, 0)
    out += struct.pack(f"{endian}7ii", *[0] * 7, 24 if charmm else 0) + struct.pack(f"{endian}i", 84)
    titles = struct.pack(f"{endian}i", n_titles) + b"".join(b"title %d".ljust(81) % k for k in range(n_titles))
    mark = struct.pack(f"{endian}i", len(titles) if title_mark is None else title_mark)
    out += mark + titles + mark + struct.pack(f"{endian}3i", 4, frames.shape[1], 4)
    for k, frame in enumerate(frames):
        if cells is not None:
            out += struct.pack(f"{endian}i6di", 48, *cells[k], 48)
        for axis in range(3):
            size = struct.pack(f"{endian}i", 4 * len(frame))
            out += size + frame[:, axis].astype(f"{endian}f4").tobytes() + size
    path.write_bytes(out)
    return path


def read_with_mdanalysis(path: Path) -> tuple[dict, np.ndarray]:
    """Header and (F, N, 3) positions by MDAnalysis' low-level reader, which is not ours."""
    with DCDFile(str(path)) as file:
        header = dict(file.header)
        return header, np.array([frame.xyz.copy() for frame in file])


def walk(n_frames: int = 5, n_atoms: int = 7, seed: int = 0) -> np.ndarray:
    """(F, N, 3) float32 Å: a blob of atoms that wanders and shakes."""
    rng = np.random.default_rng(seed)
    start = rng.normal(0, 3, (n_atoms, 3))
    return (start + np.cumsum(rng.normal(0, 0.3, (n_frames, n_atoms, 3)), axis=0)).astype(np.float32)


def write_topology(path: Path, n_atoms: int, resname: str = "LIG") -> Path:
    """A PDB file of carbon atoms in one residue, spread along a line."""
    line = "HETATM{0:5d}  C{1:<3d}{2} A   1    {3:8.3f}{4:8.3f}{4:8.3f}  1.00  0.00           C\n"
    path.write_text(
        "".join(line.format(k + 1, k, resname, 1.5 * k, 0.0) for k in range(n_atoms)) + "END\n", encoding="utf-8"
    )
    return path
