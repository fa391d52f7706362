"""A reader of a file sees the old bytes or the new, never half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.files import is_inside, read_file, write_atomic


def test_a_write_that_fails_leaves_the_old_bytes_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    write_atomic(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as full:
        write_atomic(file, b"new")
    assert full.value.filename == str(file), "whoever reads it knows which disk"
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_file_is_never_open_to_others_not_even_while_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_link_out_of_the_folder_is_not_inside(tmp_path: Path) -> None:
    inside = tmp_path / "content"
    inside.mkdir()
    (inside / "link").symlink_to("/etc/hostname")
    assert not is_inside(inside / "link", inside)
    assert not is_inside(inside / ".." / "x", inside)
    assert is_inside(inside / "x", inside)


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="not a file"):
            read_file(place)
