"""Writing files so that neither a full disk nor a power cut surprises anybody."""

import errno
import os
from pathlib import Path


def reserve(fd: int, start: int, size: int) -> None:
    """Take space on the disk for what will be written; OSError where there is none."""
    try:
        os.posix_fallocate(fd, start, size)
    except OSError as err:
        if err.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        write_all(fd, bytes(size), start)


def write_all(fd: int, content: bytes, offset: int) -> None:
    """Write octets at their place; a write that falls short is an OSError."""
    written = os.pwrite(fd, content, offset)
    if written != len(content):
        raise OSError(
            errno.ENOSPC, f"only {written} of {len(content)} octets were written"
        )


def sync_folder(folder: Path) -> None:
    """Have the names of files that were begun in a folder outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
