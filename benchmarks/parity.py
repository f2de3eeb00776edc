"""Largest absolute differences from the published code's own numbers: `python benchmarks/parity.py` prints markdown.

What only the processor of the published numbers decided is taken from them, see `published_numbers.py`. It reads the
checkpoints and arrays of ``../shared/parity`` (or of the folder given as its argument), in seconds.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from published_numbers import PublishedNumbers

from openmm_mdgen.flow.interpolant import sample_path
from openmm_mdgen.flow.sampler import integrate
from openmm_mdgen.published.atom14 import atom14_to_rigids, atom14_to_torsions

SETTINGS = ("forward_sim", "interpolation", "upsampling", "inpainting", "atlas", "hyena")
LIMITS = {
    "rigids": 1e-4,
    "torsions": 1e-4,
    "tokens": 1e-4,
    "masks": 0.0,
    "velocity": 1e-4,
    "euler": 1e-4,
    "dopri5": 1e-3,
    "coordinates (Å)": 1e-3,
    "interpolant": 1e-4,
}
FLOW_TIMES = {"velocity_t0": 0.0, "velocity_t1": 0.3, "velocity_t2": 0.9}


def differences(folder: Path, setting: str) -> dict[str, float]:
    """Quantity -> largest absolute difference over all elements; NaN where the setting has no such quantity."""
    z = PublishedNumbers(folder, setting)
    tokens, encoded, velocity = z.checkpoint.tokens, z.encoded, z.velocity
    told, defined = encoded.conditioning, ~torch.isnan(z["torsions"])
    defined[:, :, 0, 0] = False  # omega of the first residue, which is nothing
    rigids, torsions = atom14_to_rigids(z["atom14"]), atom14_to_torsions(z["atom14"], z["aatype"].unsqueeze(1))

    def apart(found: torch.Tensor, key: str) -> float:
        return float((found.to(z[key].dtype) - z[key]).abs().max())

    def sample(solver: str) -> float:
        if f"sample_{solver}" not in z.arrays:
            return float("nan")
        return apart(integrate(velocity, z["noise"], solver=solver, n_steps=10), f"sample_{solver}")

    path = sample_path(z["plan_x0"], z["latents"], z["plan_t"])
    return {
        "rigids": max(apart(rigids.rotation, "rots"), apart(rigids.translation, "trans")),
        "torsions": float((torsions.sin_cos - z["torsions"])[defined].abs().max()),
        "tokens": apart(encoded.values, "latents"),
        "masks": max(
            apart(encoded.counts, "loss_mask"), apart(told.given, "x_cond_mask"), apart(told.residues, "aatype_in")
        ),
        "velocity": max(apart(velocity(z["noise"], torch.full((2,), t)), key) for key, t in FLOW_TIMES.items()),
        "euler": sample("euler"),
        "dopri5": sample("dopri5"),
        "coordinates (Å)": apart(tokens.decode(z["sample_euler"], told.first, z["aatype"]), "atom14_from_euler"),
        "interpolant": max(apart(path.x_t, "plan_xt"), apart(path.velocity, "plan_ut")),
    }


def main() -> int:
    """Print the table; 1 if any difference is above its limit."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared" / "parity"
    table = {setting: differences(folder, setting) for setting in SETTINGS}
    print(f"| setting | {' | '.join(LIMITS)} |\n|{'---|' * (len(LIMITS) + 1)}")
    for setting, found in table.items():
        print(f"| {setting} | {' | '.join('-' if np.isnan(x) else f'{x:.1e}' for x in found.values())} |")
    print(f"| limit | {' | '.join(f'{limit:.0e}' if limit else '0' for limit in LIMITS.values())} |")
    return int(any(found[name] > limit for found in table.values() for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
