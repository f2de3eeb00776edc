"""Reading published checkpoints: what is accepted, what is refused, and what the files made of them hold."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from openmm_mdgen.cli.import_ import command
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.published.checkpoint import read_published
from openmm_mdgen.published.file import import_published, is_published, load_published
from tests.helpers.published_toys import make_content, make_network, write_checkpoint


def test_weights_and_settings(tmp_path: Path) -> None:
    checkpoint = read_published(write_checkpoint(tmp_path))
    for name, tensor in make_network().state_dict().items():
        torch.testing.assert_close(checkpoint.network.state_dict()[name], tensor, atol=0, rtol=0)
    assert (checkpoint.n_frames, checkpoint.interval, checkpoint.is_average) == (6, 10.0, False)


def test_moving_average_is_preferred(tmp_path: Path) -> None:
    average = make_network(seed=1)
    content = make_content() | {"ema": {"params": make_params(average), "decay": 0.999}}
    checkpoint = read_published(write_checkpoint(tmp_path, content))
    assert checkpoint.is_average
    torch.testing.assert_close(checkpoint.network.readout.linear.weight, average.readout.linear.weight)


def make_params(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name.removeprefix("model."): tensor for name, tensor in make_content(network)["state_dict"].items()}


def test_safetensors_hold_the_same(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path)
    direct, imported = load_published(source), load_published(import_published(source, tmp_path / "toy.safetensors"))
    assert imported.settings == direct.settings
    assert imported.network.config == direct.network.config
    assert imported.content_hash == direct.content_hash
    assert not list(tmp_path.glob("*.part"))


def test_content_hash_sees_weights_and_settings(tmp_path: Path) -> None:
    first = load_published(write_checkpoint(tmp_path)).content_hash
    other = load_published(write_checkpoint(tmp_path, make_content(make_network(seed=1)), "b.ckpt")).content_hash
    slower = load_published(write_checkpoint(tmp_path, make_content(suffix="_i10"), "c.ckpt")).content_hash
    assert len({first, other, slower}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("model.latent_to_emb.bias"), r"missing latent_to_emb\.bias"),
        (lambda state: state.update({"model.surplus": torch.zeros(2)}), r"extra surplus"),
        (
            lambda state: state.update({"model.cond_to_emb.weight": torch.zeros(16, 28)}),
            r"misshaped cond_to_emb\.weight \(16, 28\) instead of \(16, 21\)",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path: Path, change, message: str) -> None:
    content = make_content()
    change(content["state_dict"])
    with pytest.raises(MDGenError, match=message):
        read_published(write_checkpoint(tmp_path, content))


@pytest.mark.parametrize("flag", ["no_frames", "interleave_ipa", "mpnn", "no_rope"])
def test_flags_of_no_released_setting(tmp_path: Path, flag: str) -> None:
    with pytest.raises(MDGenError, match=f"trained with {flag}"):
        read_published(write_checkpoint(tmp_path, make_content(**{flag: True})))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated(tmp_path: Path, share: float) -> None:
    path = write_checkpoint(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(MDGenError, match="truncated or no checkpoint"):
        read_published(path)


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(MDGenError, match="is not a file"):
        read_published(tmp_path / "absent.ckpt")


class Hostile:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_hostile_pickle_is_refused_and_not_run(tmp_path: Path, save) -> None:
    trap, path = tmp_path / "trap", tmp_path / "hostile.ckpt"
    save({"state_dict": {}, "hyper_parameters": Hostile(trap)}, path)
    with pytest.raises(MDGenError, match=r"hostile\.ckpt .*only tensors, plain values"):
        read_published(path)
    assert not trap.exists()


def test_other_layouts(tmp_path: Path) -> None:
    with pytest.raises(MDGenError, match="lacks state_dict or hyper_parameters"):
        read_published(write_checkpoint(tmp_path, {"weights": torch.zeros(3)}))


def test_is_published(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path)
    assert is_published(source)
    assert is_published(import_published(source, tmp_path / "toy.safetensors"))
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    assert not is_published(tmp_path / "other.safetensors")
    assert not is_published(tmp_path / "absent.safetensors")


def test_truncated_safetensors(tmp_path: Path) -> None:
    path = import_published(write_checkpoint(tmp_path), tmp_path / "toy.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MDGenError, match="truncated or no safetensors"):
        load_published(path)


def test_target_must_be_safetensors(tmp_path: Path) -> None:
    with pytest.raises(MDGenError, match=r"toy\.pt does not end in \.safetensors"):
        import_published(write_checkpoint(tmp_path), tmp_path / "toy.pt")


def test_target_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(MDGenError, match="cannot write"):
        import_published(write_checkpoint(tmp_path), tmp_path / "absent" / "toy.safetensors")


def test_command(tmp_path: Path) -> None:
    source, target = write_checkpoint(tmp_path), tmp_path / "toy.safetensors"
    result = CliRunner().invoke(command, [str(source), "-o", str(target), "--solver", "euler", "--steps", "3"])
    assert result.exit_code == 0, result.output
    assert "simulation, 10 ps between frames, 4 residues" in result.output
    task = load_published(target)
    assert (task.settings.solver, task.settings.n_steps) == ("euler", 3)
