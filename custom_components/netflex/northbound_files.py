"""The files of TLS towards a broker: staged while they are checked, then adopted."""

from collections.abc import Mapping
import hashlib
from pathlib import Path
import shutil

from .northbound_options import FILES

_STAGE = "staged"


def mark(text: str) -> str:
    """Return what tells one content of a file from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage(
    folder: Path, marks: Mapping[str, str], uploads: Mapping[str, str]
) -> tuple[Path, dict[str, str]]:
    """Lay files beside those in use: the uploaded ones, and of the others what is there.

    Returns their folder and their marks. Blocking; raises OSError.
    """
    staged = folder / _STAGE
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700, parents=True)
    present = {}
    for name in FILES:
        path = staged / f"{name}.pem"
        if (text := uploads.get(name)) is None:
            if name not in marks:
                continue
            text = (folder / path.name).read_text()
        # Nobody else on this machine reads a key, not even for a moment.
        path.touch(mode=0o600)
        path.write_text(text)
        present[name] = mark(text)
    return staged, present


def adopt(staged: Path) -> None:
    """Put staged files in the place of those in use. Blocking; raises OSError."""
    for path in staged.iterdir():
        path.replace(staged.parent / path.name)
    staged.rmdir()
