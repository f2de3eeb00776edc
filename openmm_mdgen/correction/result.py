"""A correction as the user holds it: numbers, files, weights of a Universe's frames."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis import Universe

from openmm_mdgen.convert.mdanalysis import structure_to_mdanalysis
from openmm_mdgen.correction.numbers import Numbers
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.files.replacing import replacing
from openmm_mdgen.trajectory.writing import frame_writer


@dataclass(frozen=True)
class Correction(Numbers):
    """Generated frames weighted by short runs of the user's own System; attributes are those of `Numbers`.

    Examples
    --------
    >>> result = openmm_mdgen.correct(universe, simulation, folder="correction")
    >>> print(result)
    >>> result.attach(universe)
    >>> universe.trajectory[0].aux.weight
    """

    def attach(self, universe: Universe, trajectory: int = 0) -> None:
        """Give every frame of a generated Universe its ``ts.aux.weight``.

        Parameters
        ----------
        universe : Universe
            What was corrected.
        trajectory : int
            Its place where several were.

        Raises
        ------
        MDGenError
            When the Universe has another number of frames.
        """
        n_frames = int((self.sources == trajectory).sum())
        if len(universe.trajectory) != n_frames:
            raise MDGenError(
                f"{len(universe.trajectory)} frames cannot take {n_frames} weights; give what was corrected"
            )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _weights_name(None)
            path.write_text(self._xvg(trajectory), encoding="utf-8")
            universe.trajectory.add_auxiliary(
                "weight", str(path), data_selector=1
            )  # read at once, so that the file may go

    def write(self, folder: str | Path) -> Path:
        """Write the page, tables, weights and weighted frames into a folder, made where absent; the page's path."""
        from openmm_mdgen.correction.page import render  # brings matplotlib and jinja2

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "weights.csv": self._table(),
            "populations.csv": self._populations(),
            "correction.json": json.dumps(self.summary(), indent=1),
            "correction.html": render(self),
        }
        n_sources = int(self.sources.max()) + 1
        texts |= {_weights_name(k if n_sources > 1 else None): self._xvg(k) for k in range(n_sources)}
        for name, text in texts.items():
            with replacing(folder / name) as path:
                path.write_text(text, encoding="utf-8")
        with replacing(folder / "runs.npz") as path:
            np.savez(path, weights=self.run_weights, states=self.run_states, runs=self.runs, interval=self.run_interval)
        self._write_runs(folder)
        return folder / "correction.html"

    def _write_runs(self, folder: Path) -> None:
        """``runs.pdb`` and ``runs.xtc``: the frames that ``runs.npz`` has the weights of."""
        positions = self.run_positions
        universe = Universe(structure_to_mdanalysis(self.structure), positions[:1], order="fac")
        with replacing(folder / "runs.pdb") as path:
            universe.atoms.write(str(path))
        with replacing(folder / "runs.xtc") as path, frame_writer(path, universe.atoms.n_atoms, 1.0, 0.0) as writer:
            timestep = universe.trajectory.ts
            for number, frame in enumerate(positions):
                timestep.frame, timestep.time, timestep.positions = number, float(number), frame
                writer.write(universe.atoms)

    def _table(self) -> str:
        columns = (self.sources, self.times, self.states, self.weights)
        rows: list[tuple[object, ...]] = [("frame", "trajectory", "time_ps", "state", "weight")]
        rows += zip(range(len(self.weights)), *(column.tolist() for column in columns), strict=True)
        return _csv(rows)

    def _xvg(self, trajectory: int) -> str:
        """Time and weight of every frame of one trajectory, as MDAnalysis' auxiliary reader takes them."""
        own = self.sources == trajectory
        pairs = zip(self.times[own].tolist(), self.weights[own].tolist(), strict=True)
        return "# time in ps, equilibrium weight\n" + "".join(f"{time!r} {weight!r}\n" for time, weight in pairs)

    def _populations(self) -> str:
        names = "state before after low high markov markov_low markov_high kJ_mol_before kJ_mol_after borrowed"
        energies = (self.free_energies(self.before), self.free_energies(self.after.value))
        columns = (self.before, *astuple(self.after), *astuple(self.markov), *energies, self.borrowed)
        rows: list[tuple[object, ...]] = [tuple(names.split())]
        rows += zip(range(self.n_states), *(column.tolist() for column in columns), strict=True)
        return _csv(rows)


def _weights_name(trajectory: int | None) -> str:
    return "weights.xvg" if trajectory is None else f"weights_{trajectory:02d}.xvg"


def _csv(rows: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
