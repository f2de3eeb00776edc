"""What given residues say of the ones between them."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openmm_mdgen.geometry.internal import INTERNAL, OMEGA, PHI, PSI
from openmm_mdgen.tokens.spans import (
    BOND_BEFORE,
    N_SPAN,
    bridged_runs,
    released,
    released_channels,
    residue_frame,
    runs,
    spans,
)
from openmm_mdgen.tokens.tokens import CHANNELS, N_CHANNELS
from tests.helpers.tiny import internal, moving


def mask(text: str) -> torch.Tensor:
    return torch.tensor([letter == "x" for letter in text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("....", []), ("xxxx", [(0, 3)]), ("x..x", [(0, 0), (3, 3)]), (".xx.x", [(1, 2), (4, 4)]), ("x", [(0, 0)])],
)
def test_runs(text, expected):
    assert runs(mask(text)) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_runs_are_the_mask(free):
    again = torch.zeros(len(free), dtype=torch.bool)
    found = runs(torch.tensor(free))
    for first, last in found:
        again[first : last + 1] = True
    assert again.tolist() == free
    assert all(b - a > 1 for (_, a), (b, _) in pairwise(found))


def test_runs_between_whole_residues():
    whole = torch.tensor([False, True, True, True, True, False])
    assert bridged_runs(mask("..x..."), whole) == [(2, 2)]
    assert bridged_runs(mask("xx...."), whole) == []
    assert bridged_runs(mask(".x...."), whole) == []  # a cap has no N, CA, C
    assert bridged_runs(mask("....xx"), whole) == []
    assert bridged_runs(mask("..x.x."), whole) == [(2, 2)]


def test_released():
    """A run takes psi of the residue before it, and of the one after it what the bond between them decides."""
    found = released(mask("..x.."))
    assert found[2].all() and not found[0].any() and not found[4].any()
    assert found[1].nonzero().flatten().tolist() == [PSI]
    assert found[3].nonzero().flatten().tolist() == sorted(BOND_BEFORE)
    assert {INTERNAL[k] for k in BOND_BEFORE} == {"omega", "phi", "C-N", "CA-C-N", "C-N-CA"}
    assert released(mask("x..x"))[1:3].sum() == 1 + len(BOND_BEFORE)


def test_released_channels():
    channels = released_channels(mask("..x.."))
    assert channels.shape == (5, N_CHANNELS) and channels[2].all()
    assert [CHANNELS[k] for k in channels[1].nonzero().flatten()] == ["sin psi", "cos psi"]
    assert {CHANNELS[k].split()[-1] for k in channels[3].nonzero().flatten()} == {INTERNAL[k] for k in BOND_BEFORE}
    assert OMEGA == 0 and PHI == 1


def test_frames_of_residues_are_rotations():
    atoms = torch.randn(20, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    axes = residue_frame(atoms)
    torch.testing.assert_close(axes.mT @ axes, torch.eye(3, dtype=axes.dtype).expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(20, dtype=axes.dtype))


def test_spans_are_positions_of_given_residues():
    """Computed along the chain, they are what the frames of the residues on either side say, and nothing else."""
    frames, free = torch.from_numpy(moving("ITVLHC", 6)), mask("..xx..")
    coordinates = internal("ITVLHC")
    x = coordinates.encode(frames)
    span = spans(x, free, torch.ones(6, dtype=torch.bool))
    assert span.shape == (6, 6, N_SPAN) and (span[:, ~free] == 0).all() and torch.equal(span[:, 2], span[:, 3])
    atoms = frames[:, coordinates.backbone].unflatten(1, (6, 3))
    before, after = residue_frame(atoms[:, 1]), residue_frame(atoms[:, 4])
    relative = before.mT @ after
    seen = (before.mT @ (atoms[:, 4, 1] - atoms[:, 1, 1]).unsqueeze(-1)).squeeze(-1)
    expected = torch.cat((seen / 5, relative[..., 0], relative[..., 1]), -1)
    torch.testing.assert_close(span[:, 2], expected)


def test_spans_at_the_ends_are_zero():
    x = internal("QGRE").encode(torch.from_numpy(moving("QGRE", 3)))
    for text in ("x...", "...x", "xx.x"):
        assert (spans(x, mask(text), torch.ones(4, dtype=torch.bool)) == 0).all()
    assert spans(x, mask("x.x."), torch.ones(4, dtype=torch.bool))[:, 2].abs().sum() > 0
