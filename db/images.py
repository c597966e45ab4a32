"""Images as files named by the hash of what they hold. Written in the vision process, which has no database.

`db.remote_images` keeps them in an object store, in the same places under the same names.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inspector.errors import StorageFault

SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".unfinished"
"""Folder of files being written: whatever a kill leaves lies there, and is found without walking through the store."""
_DROPPING = ".dropping"
"""Folder of files that a sweep has taken away and not yet removed."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A file in the store. `path` is relative to its root, with forward slashes."""

    sha256: str
    path: str
    size_bytes: int


class Images(Protocol):
    """Where images lie. Any number of processes may put and load; one at a time sweeps (`db.sweep`)."""

    def put(self, encoded: bytes, suffix: str) -> StoredImage:
        """Store an encoded image (`suffix` as ".png"), whole or not at all, and say where; raise StorageFault."""
        ...

    def load(self, image: StoredImage) -> bytes:
        """The image, checked against its hash; raise StorageFault."""
        ...

    def put_at_ns(self, image: StoredImage) -> int | None:
        """When it was last put, by the store's own clock; None where it is not there."""
        ...

    def drop(self, image: StoredImage, put_at_ns: int) -> bool:
        """Remove an image, unless it was put again since `put_at_ns`: then it stays, and this is False."""
        ...


def place_of(encoded: bytes, suffix: str) -> StoredImage:
    """Where an encoded image belongs in any store."""
    if not encoded or not SUFFIX.fullmatch(suffix):
        raise ValueError(f"image of {len(encoded)} bytes with suffix {suffix!r}; expected bytes and one like '.png'")
    sha256 = hashlib.sha256(encoded).hexdigest()
    return StoredImage(sha256, f"{sha256[:2]}/{sha256[2:4]}/{sha256}{suffix}", len(encoded))


def checked(encoded: bytes, sha256: str, where: object) -> bytes:
    """What was read, if it is what was stored; raise StorageFault with both hashes."""
    found = hashlib.sha256(encoded).hexdigest()
    if found != sha256:
        raise StorageFault(f"image {where}: its content has changed since it was stored: {found}, expected {sha256}")
    return encoded


class ImageStore:
    """A folder of content-addressed files: `ab/cd/abcd....png`. Any number of processes may share one.

    When `put` returns, the file and its name survive a power cut, so a row may point to it. To put what is there
    already marks it as put again, so that no sweep takes it from under the row that is about to point to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, encoded: bytes, suffix: str) -> StoredImage:
        """Store an encoded image (`suffix` as ".png") and say where; what is there already is not written again.

        Raises:
            StorageFault: the disk is full or cannot be written. Nothing is left behind.
        """
        image = place_of(encoded, suffix)
        target = self.root / image.path
        with _faults(target):
            if not _put_again(target, len(encoded)):
                self._write(target, encoded)
        return image

    def load(self, image: StoredImage) -> bytes:
        """The image, checked against its hash; raise StorageFault."""
        path = self.root / image.path
        with _faults(path):
            return checked(path.read_bytes(), image.sha256, path)

    def put_at_ns(self, image: StoredImage) -> int | None:
        """When it was last put, in the file system's time; None where it is not there."""
        path = self.root / image.path
        with _faults(path):
            try:
                return path.stat().st_mtime_ns
            except FileNotFoundError:
                return None

    def drop(self, image: StoredImage, put_at_ns: int) -> bool:
        """Remove an image, unless it was put again since `put_at_ns`; call inside `sweeping`.

        The file is moved aside before it is looked at, so that whoever puts it meanwhile either marked this file or
        writes another one.
        """
        path, aside = self.root / image.path, self.root / _DROPPING / Path(image.path).name
        with _faults(path):
            try:
                path.rename(aside)
            except FileNotFoundError:
                return True
            if aside.stat().st_mtime_ns == put_at_ns:
                aside.unlink()
                return True
            self._put_back(aside)
            return False

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Be the only one that drops images; what an earlier sweep was killed over is put back first.

        Raises:
            StorageFault: another sweep is at work, or the folder cannot be written.
        """
        if not self.root.is_dir():
            raise StorageFault(f"images {self.root}: no such folder; expected the root of the image store")
        folder = self.root / _DROPPING
        with _faults(folder):
            folder.mkdir(exist_ok=True)
            lock = (folder / "lock").open("a")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageFault(f"images {self.root}: another sweep is at work") from error
            with _faults(folder):
                for aside in folder.glob("*.*"):
                    self._put_back(aside)
            yield

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
            return checked(path.read_bytes(), sha256, path)

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

    def _put_back(self, aside: Path) -> None:
        target = self.root / aside.name[:2] / aside.name[2:4] / aside.name
        if target.exists():
            aside.unlink()
        else:
            aside.rename(target)

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


def _put_again(target: Path, size_bytes: int) -> bool:
    """Mark a whole file that is there as put just now; False where there is none."""
    try:
        if target.stat().st_size != size_bytes:
            return False
        os.utime(target)
    except FileNotFoundError:
        return False
    return True


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
