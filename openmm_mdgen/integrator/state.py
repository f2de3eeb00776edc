"""Generator state kept in an OpenMM integrator's own variables, so that it rides in checkpoints and State XML."""

import copy
import hashlib
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import openmm as mm

_BITS = 24  # a single-precision platform keeps integers below 2**24 exactly
_WORDS = {
    "seed": 3,
    "block": 2,
    "index": 1,
    "anchor_key": 2,
    "reference_key": 2,
    "started": 1,
    "source_key": 2,
    "microkelvin": 2,
    "branch": 2,
}
"""Of the fields of a `GeneratorState`, in their order."""
_PARTS = [slice(end - count, end) for count, end in zip(_WORDS.values(), accumulate(_WORDS.values()), strict=True)]
_PREFIX = "mdgen_"
_FORMAT = 8_431_903.0
"""A number that no other integrator's variables hold at this place; another one with every change of the variables."""

EXHAUSTED = 2**_BITS - 1
"""An index past any block's end: the next frame due starts a new block."""


@dataclass(frozen=True)
class GeneratorState:
    """Where a generated trajectory stands.

    Attributes
    ----------
    seed : int
        The user's seed, 0 <= seed < 2**63.
    block : int
        Number of the block being given.
    index : int
        Frames of that block already given.
    anchor_key, reference_key : int
        48-bit fingerprints of the per-DOF variables ``anchor`` and ``reference``.
    started : int
        1 once a first block was begun.
    source_key : int
        48-bit fingerprint of the model and the interval between frames.
    microkelvin : int
        Temperature of the block, in 1e-6 K; 0 for a model that knows of none.
    branch : int
        0, or the 48-bit fingerprint of the changes of temperature so far: replicas that exchange temperatures draw from
        noise of their own, though they have one seed.
    """

    seed: int
    block: int = 0
    index: int = EXHAUSTED
    anchor_key: int = 0
    reference_key: int = 0
    started: int = 0
    source_key: int = 0
    microkelvin: int = 0
    branch: int = 0

    def at_temperature(self, microkelvin: int) -> "GeneratorState":
        """This state from another temperature on: the next frame starts another block, with noise of its own."""
        branch = text_fingerprint(f"{self.branch}:{self.block}:{self.microkelvin}:{microkelvin}")
        return replace(self, microkelvin=microkelvin, branch=branch, index=EXHAUSTED)


class StateVariables:
    """The global and per-DOF variables of a CustomIntegrator that hold a `GeneratorState` and its two geometries.

    Parameters
    ----------
    integrator : openmm.CustomIntegrator
        Gets the variables added; must not be bound to a Context yet.
    first : GeneratorState
        First value of the state.
    """

    def __init__(self, integrator: mm.CustomIntegrator, first: GeneratorState) -> None:
        self._format = integrator.addGlobalVariable(f"{_PREFIX}format", _FORMAT)
        self._globals = [
            integrator.addGlobalVariable(f"{_PREFIX}{name}_{word}", 0.0)
            for name, count in _WORDS.items()
            for word in range(count)
        ]
        for name in ("anchor", "reference"):
            integrator.addPerDofVariable(_PREFIX + name, 0.0)
        self._known: dict[str, tuple[int, np.ndarray]] = {}
        self._words: list[int] = []
        self.write(integrator, first)

    def for_another(self) -> "StateVariables":
        """These variables of a copy of the integrator."""
        twin = copy.copy(self)
        twin._known, twin._words = {}, []
        return twin

    def are_intact(self, integrator: mm.CustomIntegrator) -> bool:
        """Whether the variables were written by an integrator of this kind."""
        return bool(integrator.getGlobalVariable(self._format) == _FORMAT)

    def read(self, integrator: mm.CustomIntegrator) -> GeneratorState:
        """The state as the integrator's Context holds it."""
        words = self._words = [round(integrator.getGlobalVariable(index)) for index in self._globals]
        return GeneratorState(*[_joined(words[part]) for part in _PARTS])

    def write(self, integrator: mm.CustomIntegrator, state: GeneratorState) -> None:
        """Store a state, made from the one that was read last: words that stay are not written again."""
        words = [
            (value >> (_BITS * place)) & (2**_BITS - 1)
            for value, count in zip(vars(state).values(), _WORDS.values(), strict=True)
            for place in range(count)
        ]
        for place, (index, word) in enumerate(zip(self._globals, words, strict=True)):
            if not self._words or self._words[place] != word:
                integrator.setGlobalVariable(index, float(word))
        self._words = words

    def store(self, integrator: mm.CustomIntegrator, name: str, positions: np.ndarray) -> int:
        """Keep (N, 3) nm as ``anchor`` or ``reference``; returns the fingerprint of what the platform rounded it to."""
        integrator.setPerDofVariableByName(_PREFIX + name, positions)
        return self._fetch(integrator, name)

    def load(self, integrator: mm.CustomIntegrator, name: str, key: int) -> np.ndarray | None:
        """The (N, 3) nm geometry kept as ``anchor`` or ``reference``; None where the one with that key is lost."""
        if (name not in self._known or self._known[name][0] != key) and self._fetch(integrator, name) != key:
            return None
        return self._known[name][1]

    def keeps(self, integrator: mm.CustomIntegrator, name: str, key: int) -> bool:
        """Whether the geometry with that key is there: reinitialising a Context wipes geometries, but not the state.

        It is written once more, so that checkpoints hold it even after that.
        """
        positions = self.load(integrator, name, key)
        if positions is not None:
            integrator.setPerDofVariableByName(_PREFIX + name, positions)
        return positions is not None

    def _fetch(self, integrator: mm.CustomIntegrator, name: str) -> int:
        positions = np.array(integrator.getPerDofVariableByName(_PREFIX + name), dtype=np.float64)
        self._known[name] = (fingerprint(positions), positions)
        return self._known[name][0]


def _joined(words: list[int]) -> int:
    """The number whose words these are, the lowest first."""
    number = 0
    for word in reversed(words):
        number = (number << _BITS) | word
    return number


def fingerprint(positions: np.ndarray) -> int:
    """48 bits of the SHA-256 digest of (N, 3) float64 positions."""
    return _digest(np.ascontiguousarray(positions, dtype="<f8").tobytes())


def text_fingerprint(text: str) -> int:
    """48 bits of the SHA-256 digest of a text."""
    return _digest(text.encode())


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:6], "little")
