"""Batches ahead of their use: by other processes, or on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import tee

import torch
from torch.utils.data import DataLoader

from openmm_mdgen.train.resident import ResidentWindows
from openmm_mdgen.train.windows import Batch, Drawn, WindowBatches


def draw_ahead(
    windows: Drawn, numbers: Iterator[int], seed: int, workers: int, device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """Batches by number, drawn by ``workers`` other processes ahead of their use, or here for none.

    Where a GPU trains, windows of peptides are drawn on it (`ResidentWindows`), unless the MD fills half of its memory.
    """
    if isinstance(windows, WindowBatches) and is_roomy(windows, torch.device(device)):
        return draw_resident(ResidentWindows(windows, device), numbers, seed, workers)
    if workers < 1:
        return (windows.draw(seed, number) for number in numbers)
    loader: DataLoader[Batch] = DataLoader(
        _Draws(windows, seed),  # type: ignore[arg-type]
        batch_size=None,
        sampler=_Numbers(numbers),
        num_workers=workers,
        prefetch_factor=4,
    )
    return iter(loader)


def is_roomy(windows: WindowBatches, device: torch.device) -> bool:
    """Whether a device is a GPU with room for the cache."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return windows.cache.data.size * 4 < free / 2


def draw_resident(windows: ResidentWindows, numbers: Iterator[int], seed: int, workers: int) -> Iterator[Batch]:
    """Batches by number: those that inpaint drawn by processors, ahead of their use, the others on the device."""
    numbers, again = tee(numbers)
    inpainting = (number for number in again if windows.is_inpainting(seed, number))
    ahead = draw_ahead(windows.inpainting(), inpainting, seed, workers)
    for number in numbers:
        if windows.is_inpainting(seed, number):
            yield to_device(next(ahead), windows.device)
        else:
            yield windows.draw(seed, number)


class _Numbers:
    """What a loader asks for, without making a list of it first."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self.numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return self.numbers


class _Draws:
    """Batches by number, as a loader wants them."""

    def __init__(self, windows: Drawn, seed: int) -> None:
        self.windows, self.seed = windows, seed

    def __getitem__(self, number: int) -> Batch:
        return self.windows.draw(self.seed, number)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device."""
    colour = None if batch.colour is None else batch.colour.to(device)
    return Batch(batch.tokens.to(device), batch.counts.to(device), batch.conditioning.to(device), colour)
