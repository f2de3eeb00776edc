"""The shape of the published network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from openmm_mdgen.published.tokens import N_IDENTITY


@dataclass(frozen=True)
class PublishedConfig:
    """Shape of the network; saved with the weights. The defaults are those of the paper.

    Attributes
    ----------
    n_given : int
        Channels of a token without the simplex (21 or 28).
    key_frames : {'first', 'ends'}
        Which frames the invariant point attention sees.
    width, n_layers, n_heads : int
        Channels; key-frame layers and as many main layers; attention heads.
    ipa_heads, ipa_channels, ipa_query_points, ipa_value_points : int
        Of the invariant point attention.
    time_mixer : {'attention', 'hyena'}
        How frames see each other.
    n_frames : int
        Frames trained on; a limit only for 'hyena'.
    n_positions : int
        Rows of the positional table over residues, which fixes their number; 0 for none.
    residue_identity : bool
        Whether the key-frame layers see the residue types.
    design : bool
        Whether a simplex over residue types is generated too.
    alpha_max, temperature : float
        Of the Dirichlet path.
    time_scale : float
        Factor of the flow time before its sinusoidal embedding.
    key_sign : {'positive', 'eigensolver'}
        Sign of the quaternion between the key frames. The published code takes it as its eigensolver leaves it: nearly
        always with real part > 0, in some per cent of residues not, by rounding. 'positive' removes that chance,
        'eigensolver' reproduces it where processor and LAPACK are the same.
    """

    n_given: int = 21
    key_frames: Literal["first", "ends"] = "first"
    width: int = 384
    n_layers: int = 5
    n_heads: int = 16
    ipa_heads: int = 4
    ipa_channels: int = 32
    ipa_query_points: int = 8
    ipa_value_points: int = 8
    time_mixer: Literal["attention", "hyena"] = "attention"
    n_frames: int = 1000
    n_positions: int = 4
    residue_identity: bool = True
    design: bool = False
    alpha_max: float = 8.0
    temperature: float = 1.0
    time_scale: float = 100.0
    key_sign: Literal["positive", "eigensolver"] = "positive"

    @property
    def n_channels(self) -> int:
        """Channels of a token with the simplex, if any."""
        return self.n_given + (N_IDENTITY if self.design else 0)
