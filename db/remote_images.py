"""Images in an object store, through fsspec: `s3://bucket/folder` and what else fsspec knows.

A station writes to its own folder first; `upload_images` copies from there, so that no part waits for the network.
Where the server is and who asks is the environment's business (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Engine, select, tuple_, update

from db.engine import storage_errors, writing
from db.images import Images, ImageStore, StoredImage, checked, place_of
from db.records import utc_now
from db.tables import IMAGES
from inspector.errors import DatabaseError, StorageFault

WHOLE_OR_NOT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"})
"""Protocols whose objects appear when their last byte is there. Elsewhere a file is written aside and moved."""
_PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}
_TRIES = 3
IMAGES_PER_COMMIT = 100


def open_images(place: str | Path) -> Images:
    """The store at `place`: a folder, or a URL; raise DatabaseError for a URL that nothing here can open."""
    words = str(place)
    return RemoteImages(words) if "://" in words else ImageStore(Path(words))


class RemoteImages:
    """Content-addressed objects below a URL, at the paths that `ImageStore` gives its files."""

    def __init__(self, url: str) -> None:
        protocol = url.partition("://")[0]
        try:
            import fsspec

            options = _S3 if protocol in ("s3", "s3a") else {}
            self._files, self._root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
        except (ImportError, ValueError) as error:
            raise DatabaseError(
                f"images {url}: {error}; expected a folder, or s3://BUCKET/FOLDER with {_EXTRA}"
            ) from error
        self.url = url.rstrip("/")
        self._whole_or_not = protocol in WHOLE_OR_NOT
        self._faults: tuple[type[Exception], ...] = (OSError, *_vendor_faults(protocol))

    def put(self, encoded: bytes, suffix: str) -> StoredImage:
        """Store an encoded image, whole or not at all; what is there already is written again.

        Raises:
            StorageFault: the store is away, full, or does not let us.
        """
        image = place_of(encoded, suffix)
        path = self._path(image)
        with self._errors(image):
            if self._whole_or_not:
                self._files.pipe_file(path, encoded)
            else:
                self._write_aside(path, encoded)
        return image

    def load(self, image: StoredImage) -> bytes:
        """The image, checked against its hash; raise StorageFault."""
        with self._errors(image):
            encoded: bytes = self._files.cat_file(self._path(image))
        return checked(encoded, image.sha256, f"{self.url}/{image.path}")

    def put_at_ns(self, image: StoredImage) -> int | None:
        """When it was last put, in the store's time; None where it is not there."""
        with self._errors(image):
            try:
                changed: datetime = self._files.modified(self._path(image))
            except FileNotFoundError:
                return None
        return int(changed.timestamp() * 1e9)

    def drop(self, image: StoredImage, put_at_ns: int) -> bool:
        """Remove an image, unless it was put again since `put_at_ns`. An object store cannot ask and remove at once."""
        now_ns = self.put_at_ns(image)
        if now_ns is not None and now_ns != put_at_ns:
            return False
        if now_ns is not None:
            with self._errors(image):
                self._files.rm_file(self._path(image))
        return True

    def _write_aside(self, path: str, encoded: bytes) -> None:
        aside = f"{self._root.rstrip('/')}/.unfinished/{secrets.token_hex(8)}"
        for folder in (str(PurePosixPath(aside).parent), str(PurePosixPath(path).parent)):
            self._files.makedirs(folder, exist_ok=True)
        self._files.pipe_file(aside, encoded)
        self._files.mv(aside, path)

    def _path(self, image: StoredImage) -> str:
        return f"{self._root.rstrip('/')}/{image.path}"

    @contextmanager
    def _errors(self, image: StoredImage) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            said = "not there" if isinstance(error, FileNotFoundError) else error
            raise StorageFault(f"image {self.url}/{image.path}: {said}") from error


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload did."""

    count: int
    unreadable: tuple[str, ...]
    """Why images of the station's own could not be read; they hold up nobody else's."""


def upload_images(engine: Engine, here: Images, there: Images) -> Uploaded:
    """Copy the images that are not known to be `there`, oldest first.

    A kill between the copy and the commit has some copied again: the same bytes to the same place.

    Raises:
        StorageFault: the store does not take them. Those before are done.
    """
    total, unreadable = 0, []
    last: StoredImage | None = None
    while images := _not_uploaded(engine, last):
        done: list[str] = []
        try:
            for image in images:
                try:
                    encoded = here.load(image)
                except StorageFault as fault:
                    unreadable.append(str(fault))
                    continue
                there.put(encoded, Path(image.path).suffix)
                done.append(image.sha256)
        finally:
            _mark_uploaded(engine, done)
        total += len(done)
        last = images[-1]
    return Uploaded(total, tuple(unreadable))


def _not_uploaded(engine: Engine, last: StoredImage | None) -> list[StoredImage]:
    """The next images behind `last`, in the order in which they were stored."""
    query = select(IMAGES).where(IMAGES.c.uploaded_at.is_(None), IMAGES.c.drop_reason.is_(None))
    if last is not None:
        of_last = select(IMAGES.c.stored_at).where(IMAGES.c.sha256 == last.sha256).scalar_subquery()
        query = query.where(tuple_(IMAGES.c.stored_at, IMAGES.c.sha256) > tuple_(of_last, last.sha256))
    query = query.order_by(IMAGES.c.stored_at, IMAGES.c.sha256).limit(IMAGES_PER_COMMIT)
    with storage_errors(engine.url), engine.connect() as connection:
        return [StoredImage(row.sha256, row.path, row.size_bytes) for row in connection.execute(query)]


def _mark_uploaded(engine: Engine, sha256s: list[str]) -> None:
    with writing(engine) as connection:
        connection.execute(update(IMAGES).where(IMAGES.c.sha256.in_(sha256s)).values(uploaded_at=utc_now()))


_EXTRA = "open-inspector[s3]"
_S3: dict[str, Any] = {"config_kwargs": _PATIENCE, "use_listings_cache": False}


def _vendor_faults(protocol: str) -> tuple[type[Exception], ...]:
    """What an SDK raises when its server is away; what the server answers, fsspec makes an OSError of."""
    if protocol not in ("s3", "s3a"):
        return ()
    import s3fs
    from botocore.exceptions import BotoCoreError, ClientError

    s3fs.S3FileSystem.retries = _TRIES
    return (BotoCoreError, ClientError)
