"""Writing files on a disk that is full, or that cannot do everything."""

import errno
import os
from pathlib import Path

import pytest

from custom_components.netflex.telecontrol.disk import reserve, write_all


@pytest.fixture
def fd(tmp_path: Path) -> int:
    return os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_that_cannot_reserve_is_written_to_instead(
    fd: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(_fd: int, _start: int, _size: int) -> None:
        raise OSError(code, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    write_all(fd, b"kept", 0)
    reserve(fd, 4, 1000)
    assert os.pread(fd, 2000, 0) == b"kept" + bytes(1000)
    os.close(fd)


def test_a_full_disk_has_nothing_to_reserve(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _start: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        reserve(fd, 0, 1000)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_a_write_that_falls_short_is_a_full_disk(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, what, at: write(fd, what[:3], at))
    with pytest.raises(OSError, match="only 3 of 5 octets") as caught:
        write_all(fd, b"hello", 0)
    assert caught.value.errno == errno.ENOSPC
    os.close(fd)
