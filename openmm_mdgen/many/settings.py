"""What to make of every system."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from openmm_mdgen.tasks.hydrogens import in_file
from openmm_mdgen.tasks.protocols import ModelLike


@dataclass(frozen=True)
class Settings:
    """What to make of every system, see `simulate_many`.

    Attributes
    ----------
    n_frames, skip
        Frames that are written, and made before them.
    interval
        ps between frames.
    n_replicas, seed
    model, device
        As for `load_task`.
    steps
        Solver steps; None takes the model's.
    temperature
        K, one that the model learned; None takes the model's.
    hydrogens
        "moving", "thermal" or "quiet".
    relax
        Whether frames are minimised before they are written.
    extension
        Of the trajectory files, without the dot.
    threads
        Of torch in each worker; None leaves what the worker has.
    """

    n_frames: int
    interval: float
    skip: int = 0
    n_replicas: int = 1
    seed: int = 0
    model: ModelLike = "peptide"
    device: str | None = None
    steps: int | None = None
    temperature: float | None = None
    hydrogens: str = "moving"
    relax: bool = False
    extension: str = "xtc"
    threads: int | None = None

    def names(self, name: str) -> list[str]:
        """Trajectory files of a system."""
        if self.n_replicas == 1:
            return [f"{name}.{self.extension}"]
        width = max(2, len(str(self.n_replicas - 1)))
        return [f"{name}_{number:0{width}d}.{self.extension}" for number in range(self.n_replicas)]

    def topology(self, name: str) -> str:
        """Topology file of a system that has none of its own."""
        return f"{name}_topology.pdb" if self.extension == "pdb" else f"{name}.pdb"

    def about(self, model_hash: str, version: str) -> dict[str, object]:
        """What frames depend on beside the system."""
        kept = asdict(self) | {"model": model_hash or str(self.model), "openmm_mdgen": version}
        kept["hydrogens"] = in_file(self.hydrogens)
        return {key: value for key, value in kept.items() if key not in ("device", "threads")}
