"""Models by address: ``hf://owner/repository[@revision]/file``, through huggingface_hub and its cache."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from openmm_mdgen.errors import MDGenError

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?/(?P<file>[\w./-]+)")


@dataclass(frozen=True)
class HubAddress:
    """A file in a repository on the hub.

    Attributes
    ----------
    repository : str
        ``owner/name``.
    file : str
        Path inside.
    revision : str or None
        Branch, tag or commit; None is the default branch.
    """

    repository: str
    file: str
    revision: str | None = None


def parse_address(address: str) -> HubAddress:
    """Split an address.

    Raises
    ------
    MDGenError
        If it is not of the form ``hf://owner/repository[@revision]/file``.

    Examples
    --------
    >>> parse_address("hf://bjing-mit/mdgen/forward_sim.ckpt").repository
    'bjing-mit/mdgen'
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or ".." in match["file"].split("/"):
        raise MDGenError(f"{address!r} is no address of a file on the hub; write hf://owner/repository[@revision]/file")
    return HubAddress(match["repository"], match["file"], match["revision"])


def fetch(address: str, cache: str | Path | None = None) -> Path:
    """The file at an address, from huggingface_hub's cache or, once, from the network.

    Parameters
    ----------
    address : str
    cache : str or Path, optional
        Folder of the cache; default: huggingface_hub's own (``HF_HOME``). ``HF_ENDPOINT`` chooses another hub,
        ``HF_TOKEN`` signs in, ``HF_HUB_OFFLINE=1`` keeps off the network.

    Returns
    -------
    Path
        The file in the cache.

    Raises
    ------
    MDGenError
        If huggingface_hub is not installed; the repository, revision or file does not exist or is not open to you; or
        there is no network and nothing in the cache.

    Examples
    --------
    >>> path = fetch("hf://bjing-mit/mdgen/forward_sim.ckpt")
    """
    where = parse_address(address)
    try:
        import huggingface_hub
    except ImportError as error:
        raise MDGenError(
            f"{address} needs the package huggingface_hub; install it by pip install 'openmm-mdgen[hub]'"
        ) from error
    try:
        path = huggingface_hub.hf_hub_download(
            where.repository,
            where.file,
            revision=where.revision,
            cache_dir=cache,
            endpoint=os.environ.get("HF_ENDPOINT"),
            library_name="openmm-mdgen",
        )
    except Exception as error:
        raise MDGenError(_explain(error, address, where)) from error
    return Path(path)


def _explain(error: Exception, address: str, where: HubAddress) -> str:
    """One line for whatever huggingface_hub raised; errors of other kinds go on as they are."""
    from huggingface_hub import constants, errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{address}: {where.repository} is open only to those who were let in; ask on its page, then set HF_TOKEN"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{address}: repository {where.repository} does not exist or is private; check the name, or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{address}: {where.repository} has no revision {where.revision}; check the part after @"
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled | ConnectionError):
        if constants.HF_HUB_OFFLINE:
            return f"{address} is not in the cache, and HF_HUB_OFFLINE is set; fetch it once without"
        return f"{address} is not in the cache, and the hub cannot be reached; check the network and try again"
    if isinstance(error, errors.EntryNotFoundError):
        return f"{address}: {where.repository} has no file {where.file}; check the part after the repository"
    if isinstance(error, errors.HfHubHTTPError | OSError):
        return f"{address} could not be fetched ({str(error).splitlines()[0]}); check the network and try again"
    raise error
