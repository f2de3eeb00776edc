"""A token cache in one small file, for machines to which little can be carried.

A value is one byte: torsions in steps of 1.4 degrees, lengths and angles in 255 steps of ten standard deviations;
what a residue does not have is left out. Reading adds half a step of noise either way, so that no value is more likely
than its neighbours.
"""

from __future__ import annotations

import json
import lzma
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.geometry.internal import INTERNAL, TORSIONS
from openmm_mdgen.train.cache import VERSION, Cache, Segment

_SPREAD = 5.0  # standard deviations on either side that a byte of a length or angle spans


def pack_cache(cache: Cache, path: Path, *, shortest: float = 0.0) -> None:
    """Write a cache as one file.

    Parameters
    ----------
    cache : Cache
    path : Path
    shortest : float
        ps; trajectories with frames closer than this are thinned to it.
    """
    heads, columns = [], []
    for segment in cache.segments:
        stride = max(1, round(shortest / segment.interval))
        values = np.array(cache.frames(segment)[::stride], dtype=np.float64)
        mask = np.array(segment.exists)
        torsions, rest = values[..., : len(TORSIONS)], values[..., len(TORSIONS) :]
        centre, width = rest.mean(0), rest.std(0) * 2 * _SPREAD + 1e-6
        bytes_ = np.concatenate((torsions / (2 * math.pi) * 256, (rest - centre) / width * 255 + 127.5), -1).round()
        bytes_[..., len(TORSIONS) :] = bytes_[..., len(TORSIONS) :].clip(0, 255)
        columns.append((bytes_.astype(np.int64) % 256).astype(np.uint8)[:, mask].T.tobytes())
        thinned = replace(segment, name=Path(segment.name).name, interval=segment.interval * stride, start=0)
        head = asdict(thinned) | {"n_frames": len(values), "centre": centre[mask[:, 7:]].tolist()}
        heads.append(head | {"width": width[mask[:, 7:]].tolist()})
    content = json.dumps(heads).encode()
    packed = lzma.compress(len(content).to_bytes(8, "little") + content + b"".join(columns), preset=1)
    with replacing(path) as unfinished:
        unfinished.write_bytes(packed)


def unpack_caches(paths: list[Path], folder: Path, seed: int = 0) -> Cache:
    """Write the caches in some files as one in a folder, and open it."""
    rng, segments, arrays, row = np.random.default_rng(seed), [], [], 0
    for path in paths:
        content = lzma.decompress(path.read_bytes())
        offset = 8 + int.from_bytes(content[:8], "little")
        for head in json.loads(content[8:offset]):
            mask = np.array(head["exists"])
            size = int(mask.sum()) * head["n_frames"]
            bytes_ = np.frombuffer(content, np.uint8, size, offset).reshape(-1, head["n_frames"]).T
            offset += size
            values = _unpacked(bytes_, mask, np.array(head.pop("centre")), np.array(head.pop("width")), rng)
            exists = tuple(tuple(row) for row in head["exists"])
            segment = Segment(**head | {"residue_types": tuple(head["residue_types"]), "exists": exists, "start": row})
            segments.append(segment)
            arrays.append(values.reshape(-1, len(INTERNAL)))
            row += len(arrays[-1])
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "internal.npy", np.concatenate(arrays))
    index = {"version": VERSION, "segments": [asdict(s) for s in segments]}
    with replacing(folder / "index.json") as unfinished:  # last: a cache counts as whole once this is there
        unfinished.write_text(json.dumps(index), encoding="utf-8")
    return Cache(folder)


def _unpacked(
    bytes_: np.ndarray, mask: np.ndarray, centre: np.ndarray, width: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Values (F, L, 16) of bytes (F, columns)."""
    full = np.zeros((len(bytes_), *mask.shape), np.float32)
    full[:, mask] = bytes_ + rng.uniform(-0.5, 0.5, bytes_.shape)
    n = len(TORSIONS)
    torsions = full[..., :n] / 256 * 2 * math.pi
    full[..., :n] = np.where(mask[:, :n], np.remainder(torsions + math.pi, 2 * math.pi) - math.pi, 0)
    rest = mask[:, n:]
    full[..., n:][:, rest] = (full[..., n:][:, rest] - 127.5) / 255 * width + centre
    return full
