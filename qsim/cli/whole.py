"""Files that a command writes where it was told to: whole, or not at all.

It knows paths; what stands in a file is its command's.
"""

from __future__ import annotations

from pathlib import Path

from qsim.cli.ends import Refused


def writable(path: Path | None, option: str = "") -> None:
    """What cannot be written is said by the name that was given; asked before a long run."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise Refused(f"{option} {path}: not a file that can be written".lstrip())


def put(path: Path, content: str | bytes) -> None:
    writable(path)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.replace(path)
