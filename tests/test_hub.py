"""Fetching from a hub: a small server on loopback stands for it."""

import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.published.file import load_published
from openmm_mdgen.weights.hub import fetch, parse_address
from tests.helpers.published_toys import write_checkpoint

constants = pytest.importorskip("huggingface_hub.constants")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = "hf://lab/mdgen/forward_sim.ckpt"


class Hub(ThreadingHTTPServer):
    """Serves one file of ``lab/mdgen`` at revision main; ``lab/gated`` is closed, all else does not exist."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bool) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        owner, name, _, revision, *file = self.path.strip("/").split("/")
        if (owner, name) == ("lab", "gated"):
            return self._refuse(403, "GatedRepo")
        if (owner, name) != ("lab", "mdgen"):
            return self._refuse(401, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if file != ["forward_sim.ckpt"]:
            return self._refuse(404, "EntryNotFound")
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.send_header("ETag", '"abc"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(self.server.content)
        return None

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", "Access to model lab/gated is restricted" if status == 403 else code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that huggingface_hub is pointed at."""
    server = Hub(write_checkpoint(tmp_path).read_bytes())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    set_offline(monkeypatch, False)
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("no_proxy", "*")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def set_offline(monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    """As ``HF_HUB_OFFLINE`` does from the start; before 1.0, sessions remember what it was."""
    from huggingface_hub import utils

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    if hasattr(utils, "reset_sessions"):
        utils.reset_sessions()


def test_fetch_once(hub: Hub, tmp_path: Path) -> None:
    path = fetch(ADDRESS, tmp_path / "cache")
    assert path.read_bytes() == hub.content
    assert load_published(path).name == "forward_sim"
    fetch(ADDRESS, tmp_path / "cache")
    assert sum(request.startswith("GET") for request in hub.requests) == 1


def test_revision(hub: Hub, tmp_path: Path) -> None:
    assert fetch(f"hf://lab/mdgen@{COMMIT}/forward_sim.ckpt", tmp_path).read_bytes() == hub.content


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://lab/absent/forward_sim.ckpt", "repository lab/absent does not exist or is private"),
        ("hf://lab/mdgen/absent.ckpt", "lab/mdgen has no file absent.ckpt"),
        ("hf://lab/mdgen@v9/forward_sim.ckpt", "lab/mdgen has no revision v9"),
        ("hf://lab/gated/forward_sim.ckpt", "lab/gated is open only to those"),
    ],
)
def test_what_the_hub_has_not(hub: Hub, tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(MDGenError, match=message):
        fetch(address, tmp_path)


def test_offline_uses_the_cache(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(ADDRESS, tmp_path)
    set_offline(monkeypatch, True)
    n_requests = len(hub.requests)
    assert fetch(ADDRESS, tmp_path).read_bytes() == hub.content
    assert len(hub.requests) == n_requests


def test_offline_and_not_in_the_cache(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_offline(monkeypatch, True)
    with pytest.raises(MDGenError, match="not in the cache, and HF_HUB_OFFLINE is set"):
        fetch(ADDRESS, tmp_path)
    assert not hub.requests


def test_no_network(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(ADDRESS, tmp_path / "full")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between huggingface_hub's five tries
    assert fetch(ADDRESS, tmp_path / "full").read_bytes() == hub.content
    with pytest.raises(MDGenError, match="the hub cannot be reached"):
        fetch(ADDRESS, tmp_path / "empty")


def test_package_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MDGenError, match=r"pip install 'openmm-mdgen\[hub\]'"):
        fetch(ADDRESS, tmp_path)


@pytest.mark.parametrize("address", ["hf://lab/mdgen", "hf://lab", "lab/mdgen/a.ckpt", "hf://lab/mdgen/../a.ckpt"])
def test_no_address(address: str) -> None:
    with pytest.raises(MDGenError, match="is no address of a file on the hub"):
        parse_address(address)
