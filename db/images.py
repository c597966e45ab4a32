"""Images as files named by the hash of what they hold. Written in the vision process, which has no database."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inspector.errors import StorageFault

SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".unfinished"
"""Folder of files being written: whatever a kill leaves lies there, and is found without walking through the store."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A file in the store. `path` is relative to its root, with forward slashes."""

    sha256: str
    path: str
    size_bytes: int


class ImageStore:
    """A folder of content-addressed files: `ab/cd/abcd....png`. Any number of processes may share one.

    When `put` returns, the file and its name survive a power cut, so a row may point to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, encoded: bytes, suffix: str) -> StoredImage:
        """Store an encoded image (`suffix` as ".png") and say where; what is there already is not written again.

        Raises:
            StorageFault: the disk is full or cannot be written. Nothing is left behind.
        """
        if not encoded or not SUFFIX.fullmatch(suffix):
            raise ValueError(
                f"image of {len(encoded)} bytes with suffix {suffix!r}; expected bytes and one like '.png'"
            )
        sha256 = hashlib.sha256(encoded).hexdigest()
        image = StoredImage(sha256, f"{sha256[:2]}/{sha256[2:4]}/{sha256}{suffix}", len(encoded))
        target = self.root / image.path
        with _faults(target):
            if not (target.is_file() and target.stat().st_size == len(encoded)):
                self._write(target, encoded)
        return image

    def read(self, sha256: str) -> bytes:
        """The encoded image, checked against its hash.

        Raises:
            StorageFault: there is none, or its content is no longer what was stored.
        """
        if not SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256; expected 64 hexadecimal digits")
        folder = self.root / sha256[:2] / sha256[2:4]
        path = next(folder.glob(f"{sha256}.*"), None)
        if path is None:
            raise StorageFault(f"image {sha256}: not in {self.root}")
        with _faults(path):
            encoded = path.read_bytes()
        if hashlib.sha256(encoded).hexdigest() != sha256:
            raise StorageFault(f"image {path}: its content has changed since it was stored")
        return encoded

    def sweep(self) -> int:
        """Remove the files that a kill left half written, and return their number; call while nobody writes.

        Raises:
            StorageFault: the folder cannot be read or written.
        """
        with _faults(self.root / _UNFINISHED):
            left = [path for path in (self.root / _UNFINISHED).glob("*") if path.is_file()]
            for path in left:
                path.unlink(missing_ok=True)
        return len(left)

    def _write(self, target: Path, encoded: bytes) -> None:
        made = self._make_folder(target.parent)
        temporary = self.root / _UNFINISHED / secrets.token_hex(8)
        temporary.parent.mkdir(exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(encoded)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        for folder in (target.parent, *made):
            _sync_folder(folder)

    def _make_folder(self, folder: Path) -> list[Path]:
        """Make `folder`; return the parents whose entries are new, which must reach the disk as well."""
        missing = [parent for parent in (folder, folder.parent, self.root) if not parent.is_dir()]
        folder.mkdir(parents=True, exist_ok=True)
        return [parent.parent for parent in missing]


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFault(f"image {path}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
