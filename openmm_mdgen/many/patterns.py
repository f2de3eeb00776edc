"""Files of many systems by patterns with ``{name}``."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from openmm_mdgen.errors import MDGenError

NAME = "{name}"
Patterns = str | Sequence[str]


def matching_names(pattern: str) -> list[str]:
    """Names for which a pattern with ``{name}`` matches a file.

    Raises
    ------
    MDGenError
        If there is no ``{name}``, or no file.
    """
    if NAME not in pattern:
        raise MDGenError(f"pattern {pattern!r} has no {NAME}; write it where the system's name is, md/{NAME}/r*.xtc")
    first, *rest = (re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for part in pattern.split(NAME))
    expression = re.compile(first + "(?P<name>[^/]+?)" + "(?P=name)".join(rest))
    found = (expression.fullmatch(Path(path).as_posix()) for path in glob.glob(pattern.replace(NAME, "*")))
    names = sorted({match["name"] for match in found if match})
    if not names:
        raise MDGenError(f"no file matches {pattern!r}; check the path")
    return names


def listed(patterns: Patterns) -> list[str]:
    """One pattern or several, as a list."""
    return [patterns] if isinstance(patterns, str) else list(patterns)


def found_files(patterns: Sequence[str], name: str) -> list[str]:
    """Absolute paths of the files of one system."""
    found = (sorted(glob.glob(pattern.replace(NAME, glob.escape(name)))) for pattern in patterns)
    return [str(Path(path).absolute()) for some in found for path in some]


def files_content(files: Sequence[str]) -> str:
    """Changes with the files."""
    stats = [(file, Path(file).stat()) for file in files if Path(file).is_file()]
    text = repr([(file, stat.st_size, stat.st_mtime_ns) for file, stat in stats])
    return hashlib.sha256(text.encode()).hexdigest()


def named_path(pattern: str, name: str) -> str:
    """Absolute path of a system's own file, or of one for all."""
    return str(Path(pattern.replace(NAME, name)).absolute())
