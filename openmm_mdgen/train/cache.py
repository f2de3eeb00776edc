"""A folder of MD, any format that MDAnalysis reads, to a compact memory-mapped cache of internal coordinates.

The cache is two files: ``internal.npy``, float32 (rows, 16), a row per residue and frame, and ``index.json``, which
says what lies where. Reading it needs neither OpenMM nor MDAnalysis.
"""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache as remember
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.geometry.internal import INTERNAL
from openmm_mdgen.geometry.sidechains import CAPS

if TYPE_CHECKING:
    import MDAnalysis as mda

TOPOLOGIES = (".pdb", ".gro", ".psf", ".prmtop", ".parm7", ".top", ".tpr", ".pdbx", ".cif")
TRAJECTORIES = (".xtc", ".dcd", ".trr", ".nc", ".ncdf", ".h5md", ".crd", ".trj", ".mdcrd")
VERSION = 2
TEMPERATURES = "temperatures.csv"

_Read = tuple[np.ndarray, tuple[str, ...], tuple[tuple[bool, ...], ...], float]  # values, residues, exists, ps


@dataclass(frozen=True)
class Segment:
    """One trajectory in the cache: rows ``start`` to ``start + n_frames * len(residue_types)``."""

    name: str
    residue_types: tuple[str, ...]
    exists: tuple[tuple[bool, ...], ...]
    interval: float  # ps
    start: int
    n_frames: int
    temperature: float = 350.0  # K

    @property
    def n_residues(self) -> int:
        """Residues, caps left out."""
        return sum(t not in CAPS for t in self.residue_types)


class Cache:
    """An opened cache; ``frames(segment)`` is a memory-mapped (n_frames, L, 16) array, ``data`` all of them (R, 16)."""

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if index["version"] != VERSION:
            raise MDGenError(
                f"token cache {folder} has version {index['version']}, not {VERSION}; delete it and train again"
            )
        self.segments = [Segment(**{**s, "residue_types": tuple(s["residue_types"])}) for s in index["segments"]]
        self.data: np.ndarray = np.load(folder / "internal.npy", mmap_mode="r")

    def frames(self, segment: Segment) -> np.ndarray:
        """Internal coordinates (n_frames, L, 16) of a segment: radians and Å."""
        n = len(segment.residue_types)
        out: np.ndarray = self.data[segment.start : segment.start + segment.n_frames * n].reshape(
            segment.n_frames, n, -1
        )
        return out


def build_cache(folders: Sequence[Path], out: Path, *, stride: int = 1, temperature: float | None = None) -> Cache:
    """Read every trajectory under ``folders`` and write a cache.

    A trajectory that cannot be read, or that is of no peptide, is left out with a `MDGenWarning`.

    Parameters
    ----------
    folders : sequence of Path
        Searched recursively. A trajectory belongs to the topology file in its own folder that has as many atoms.
    out : Path
        Folder of the cache, made anew.
    stride : int
        Keep every stride-th frame.
    temperature : float, optional
        K, of trajectories that no ``temperatures.csv`` (columns trajectory, temperature_K) in their folder names.

    Raises
    ------
    MDGenError
        When nothing can be read, or the temperature of a trajectory is not known.

    Examples
    --------
    >>> cache = build_cache([Path("md")], Path("run/cache"))
    >>> cache.frames(cache.segments[0]).shape
    """
    from tqdm import tqdm

    out.mkdir(parents=True, exist_ok=True)
    segments, arrays, row, source = [], [], 0, describe_source(folders, stride, temperature)
    found = list(find_trajectories(folders))
    kelvin = [temperature_of(trajectory, temperature) for _, trajectory in found]  # all, before hours of reading
    for (topology, trajectory), k in tqdm(list(zip(found, kelvin, strict=True)), desc="reading MD", unit="file"):
        read = _read(topology, trajectory, stride)
        if read is None:
            continue
        internal, residue_types, exists, interval = read
        segments.append(Segment(str(trajectory), residue_types, exists, interval, row, len(internal), k))
        arrays.append(internal.reshape(-1, len(INTERNAL)))
        row += len(arrays[-1])
    if not segments:
        where = ", ".join(map(str, folders))
        raise MDGenError(
            f"no peptide trajectories found under {where}; put each beside a topology file with the same atoms"
        )
    np.save(out / "internal.npy", np.concatenate(arrays))
    index = {"version": VERSION, "source": source, "segments": [asdict(s) for s in segments]}
    with replacing(out / "index.json") as unfinished:  # last, since a cache counts as whole once this is there
        unfinished.write_text(json.dumps(index), encoding="utf-8")
    return Cache(out)


def open_cache(folders: Sequence[Path], out: Path, *, stride: int = 1, temperature: float | None = None) -> Cache:
    """The cache in folder ``out``, built first where it is not there; arguments and errors as for `build_cache`.

    Raises
    ------
    MDGenError
        Also where the cache that is there was built from something else.
    """
    if not (out / "index.json").exists():
        return build_cache(folders, out, stride=stride, temperature=temperature)
    check_source(out, folders, stride=stride, temperature=temperature)
    return Cache(out)


def check_source(cache: Path, folders: Sequence[Path], *, stride: int = 1, temperature: float | None = None) -> None:
    """Raise `MDGenError` where a cache was built from other folders or files, or with another stride or temperature.

    A cache that does not say what it was built from, as early ones, is taken as it is.
    """
    found = json.loads((cache / "index.json").read_text(encoding="utf-8")).get("source")
    if found is None or found == (wanted := describe_source(folders, stride, temperature)):
        return
    remedy = "delete it to have it made anew, or name another folder with -o"
    if found["stride"] != stride:
        raise MDGenError(f"token cache {cache} was built with stride {found['stride']}, not {stride}; {remedy}")
    if found["temperature"] != temperature:
        raise MDGenError(
            f"token cache {cache} was built with temperature {found['temperature']}, not {temperature}; {remedy}"
        )
    if found["folders"] != wanted["folders"]:
        was, now = (", ".join(x["folders"]) for x in (found, wanted))
        raise MDGenError(f"token cache {cache} was built from {was}, not {now}; {remedy}")
    old, new = found["files"], wanted["files"]
    path = min(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    change = "was changed" if path in old and path in new else "was added" if path in new else "was removed"
    raise MDGenError(f"{path} {change} after token cache {cache} was built; {remedy}")


def describe_source(folders: Sequence[Path], stride: int, temperature: float | None) -> dict[str, Any]:
    """What a cache is built from: folders, stride, and size and time of change of every file that is read."""
    files = {path for topologies, trajectory in find_trajectories(folders) for path in (*topologies, trajectory)}
    files |= {table for path in files if (table := path.parent / TEMPERATURES).exists()}
    stats = {str(path.resolve()): path.stat() for path in files}
    return {
        "folders": [str(folder.resolve()) for folder in folders],
        "stride": stride,
        "temperature": temperature,
        "files": {path: [stat.st_size, stat.st_mtime_ns] for path, stat in sorted(stats.items())},
    }


def find_trajectories(folders: Sequence[Path]) -> Iterator[tuple[list[Path], Path]]:
    """Every trajectory under the folders, with the topologies beside it."""
    for folder in folders:
        if not folder.is_dir():
            raise MDGenError(f"{folder} is not a folder; name a folder with topologies and trajectories")
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in TRAJECTORIES:
                yield sorted(p for p in path.parent.iterdir() if p.suffix.lower() in TOPOLOGIES), path


def temperature_of(trajectory: Path, default: float | None) -> float:
    """K, from the ``temperatures.csv`` beside a trajectory, else the default.

    Raises
    ------
    MDGenError
        When neither says it, or the table is damaged or names no sensible temperature.
    """
    table = trajectory.parent / TEMPERATURES
    named = _temperatures(table) if table.exists() else {}
    kelvin = named.get(trajectory.name, default)
    if kelvin is None:
        raise MDGenError(
            f"the temperature of {trajectory} is not known; give --temperature for all, or a {TEMPERATURES} beside it "
            "with the columns trajectory,temperature_K"
        )
    if not 0 < kelvin < 2000:
        raise MDGenError(f"{trajectory} has a temperature of {kelvin:g} K; give one above 0 and below 2000 K")
    return kelvin


@remember
def _temperatures(table: Path) -> dict[str, float]:
    try:
        with open(table, encoding="utf-8", newline="") as handle:
            return {row["trajectory"].strip(): float(row["temperature_K"]) for row in csv.DictReader(handle)}
    except (KeyError, ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise MDGenError(
            f"{table} is no table of temperatures ({error}); it needs the columns trajectory,temperature_K"
        ) from error


def _read(topologies: list[Path], trajectory: Path, stride: int) -> _Read | None:
    """What the first topology that fits makes of a trajectory; None, and a warning, where none does."""
    from openmm_mdgen.convert.structures import open_universe

    reason = "no topology beside it has its atoms"
    for topology in topologies:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _internal(open_universe(topology, trajectory), stride)
        except Exception as error:  # parsers raise anything, and one file must not stop the others
            if "same number of atoms" not in str(error):
                reason = (str(error).splitlines() or [type(error).__name__])[0]
    warnings.warn(f"{trajectory} left out: {reason}", MDGenWarning, stacklevel=3)
    return None


def _internal(universe: mda.Universe, stride: int) -> _Read:
    from openmm_mdgen.convert.locations import one_location
    from openmm_mdgen.convert.structures import atomgroup_to_structure
    from openmm_mdgen.convert.trajectories import stored_interval
    from openmm_mdgen.geometry.internal import InternalCoordinates
    from openmm_mdgen.peptide.peptide import Peptide

    atoms = one_location(universe.atoms, tell=False)
    peptide = Peptide.from_structure(atomgroup_to_structure(atoms))
    positions = universe.trajectory.timeseries(order="fac", step=stride)[:, atoms.indices]
    internal = InternalCoordinates(peptide.residue_types, peptide.heavy, {}, peptide.n_atoms)
    values = internal.encode(torch.as_tensor(positions, dtype=torch.float64)).numpy().astype(np.float32)
    exists = tuple(tuple(row) for row in internal.exists.tolist())
    interval = stored_interval(universe.trajectory, "it")
    return values, peptide.residue_types, exists, round(interval * stride, 6)
