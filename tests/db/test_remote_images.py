"""Images in an S3 server on loopback, and through fsspec where a file is written aside and moved."""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from db import command, queries
from db.images import Images, ImageStore, StoredImage
from db.ledger import Ledger
from db.remote_images import RemoteImages, open_images, upload_images
from db.tables import IMAGES
from inspector.errors import DatabaseError, StorageFault
from inspector.values import Outcome

BUCKET = "plant-images"
NOWHERE = StoredImage("a" * 64, "aa/aa/" + "a" * 64 + ".png", 7)


@pytest.fixture(scope="module", autouse=True)
def s3() -> Iterator[str]:
    """URL of an empty bucket of a real server; the environment says where it is, as a plant's would."""
    server_module = pytest.importorskip("moto.server", reason="no S3 server to start")
    s3fs = pytest.importorskip("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "station")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir(BUCKET)
        yield f"s3://{BUCKET}"
    server.stop()


@pytest.fixture(params=["s3", "aside", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each kind; `local` is a protocol without objects, so files are written aside and moved."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{request.node.name}"
    return f"local://{tmp_path / 'aside'}" if request.param == "aside" else str(tmp_path / "folder")


def spoil(place: str, image: StoredImage, encoded: bytes) -> None:
    import fsspec

    files, root = fsspec.core.url_to_fs(place, skip_instance_cache=True)
    files.pipe_file(f"{root}/{image.path}", encoded)


def test_what_was_put_is_loaded_from_the_same_path_in_every_store(place: str) -> None:
    store: Images = open_images(place)
    image = store.put(b"picture", ".png")
    assert image == StoredImage(*where(b"picture"), 7)
    assert store.load(image) == b"picture"
    assert store.put(b"picture", ".png") == image
    assert store.load(image) == b"picture"


def where(encoded: bytes) -> tuple[str, str]:
    sha256 = hashlib.sha256(encoded).hexdigest()
    return sha256, f"{sha256[:2]}/{sha256[2:4]}/{sha256}.png"


def test_another_content_is_an_error_with_both_hashes(place: str) -> None:
    store = open_images(place)
    image = store.put(b"picture", ".png")
    spoil(place, image, b"pictUre")
    found = hashlib.sha256(b"pictUre").hexdigest()
    with pytest.raises(StorageFault, match=f"{found}, expected {image.sha256}"):
        store.load(image)


def test_an_image_that_is_not_there_is_named_and_has_no_time(place: str) -> None:
    store = open_images(place)
    store.put(b"another", ".png")
    with pytest.raises(StorageFault, match=NOWHERE.sha256):
        store.load(NOWHERE)
    assert store.put_at_ns(NOWHERE) is None


def test_an_image_is_dropped_unless_it_was_put_again(place: str) -> None:
    store = open_images(place)
    image = store.put(b"picture", ".png")
    at_ns = store.put_at_ns(image)
    assert at_ns is not None
    if isinstance(store, ImageStore):
        with store.sweeping():
            assert not store.drop(image, at_ns - 1)
            assert store.load(image) == b"picture"
            assert store.drop(image, at_ns)
    else:
        assert not store.drop(image, at_ns - 1)
        assert store.load(image) == b"picture"
        assert store.drop(image, at_ns)
    assert store.put_at_ns(image) is None


def test_nothing_half_written_has_the_name_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RemoteImages(f"local://{tmp_path}")

    def full(path: str, encoded: bytes) -> None:
        Path(path).write_bytes(encoded[:3])
        raise OSError("no space left")

    monkeypatch.setattr(store._files, "pipe_file", full)
    with pytest.raises(StorageFault, match="no space left"):
        store.put(b"picture", ".png")
    assert list(tmp_path.glob("??/??/*")) == []


@pytest.mark.parametrize("url", ["nosuch://bucket", "s4://x"])
def test_a_url_that_nothing_opens_is_named(url: str) -> None:
    with pytest.raises(DatabaseError, match=url):
        open_images(url)


# ---- from a station


def reject(database: str, line: Any, store: ImageStore, encoded: bytes) -> StoredImage:
    image = store.put(encoded, ".png")
    with Ledger(database) as ledger:
        part = line.part(ledger.start_run(line.run()), 1)
        ledger.open_part(part)
        judged = line.judged(part, outcome=Outcome.REJECT, image_sha256=image.sha256)
        ledger.complete_part(judged, image).result(5)
    return image


def test_a_stations_images_go_to_the_store_once(
    s3: str, path: Path, database: str, engine: Engine, line: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ImageStore(tmp_path / "images")
    image = reject(database, line, store, b"picture")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["upload-images", "--database", database, "--images", str(store.root), "--to", f"{s3}/station"]
    for _ in range(2):
        assert command.run(parser.parse_args(words)) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"1 images uploaded to {s3}/station",
        f"0 images uploaded to {s3}/station",
    ]
    assert open_images(f"{s3}/station").load(image) == b"picture"
    with engine.connect() as connection:
        assert connection.execute(select(IMAGES.c.uploaded_at)).scalar_one() <= datetime.now(UTC)


def test_an_image_that_cannot_be_read_holds_up_no_other(
    path: Path, database: str, engine: Engine, line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.remote_images.IMAGES_PER_COMMIT", 1)
    here, there = ImageStore(tmp_path / "images"), ImageStore(tmp_path / "there")
    images = [reject(database, line, here, encoded) for encoded in (b"first", b"second", b"third")]
    (here.root / images[1].path).write_bytes(b"spoilt")
    uploaded = upload_images(engine, here, there)
    assert (uploaded.count, f"expected {images[1].sha256}" in uploaded.unreadable[0]) == (2, True)
    assert there.load(images[2]) == b"third"
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["upload-images", "--database", database, "--images", str(here.root), "--to", str(there.root)]
    with pytest.raises(StorageFault, match="1 images not uploaded, the first: image"):
        command.run(parser.parse_args(words))
    (here.root / images[1].path).unlink()
    here.put(b"second", ".png")
    assert upload_images(engine, here, there).count == 1


def test_a_store_that_takes_nothing_more_ends_the_upload_and_what_is_done_is_kept(
    path: Path, database: str, engine: Engine, line: Any, tmp_path: Path
) -> None:
    class Full(ImageStore):
        def put(self, encoded: bytes, suffix: str) -> StoredImage:
            if encoded == b"second":
                raise StorageFault("full")
            return super().put(encoded, suffix)

    here = ImageStore(tmp_path / "images")
    images = [reject(database, line, here, encoded) for encoded in (b"first", b"second", b"third")]
    with pytest.raises(StorageFault, match="full"):
        upload_images(engine, here, Full(tmp_path / "there"))
    with engine.connect() as connection:
        done = connection.execute(select(IMAGES.c.sha256).where(IMAGES.c.uploaded_at.is_not(None))).scalars().all()
        assert done == [images[0].sha256]
        assert queries.image(connection, images[2].sha256) == images[2]


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch, s3: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageFault, match=r"s3://plant-images/.*: .*127\.0\.0\.1:1"):
        open_images(s3).load(NOWHERE)


def test_a_sweep_of_a_bucket_drops_what_the_policy_says_and_marks_the_rows(
    s3: str, path: Path, database: str, engine: Engine, line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is a plant's: its own database says what is dropped there."""
    monkeypatch.setattr("db.sweep.FRESH_S", -1.0)  # a server says itself when an object was put
    store = ImageStore(tmp_path / "images")
    image = reject(database, line, store, b"old reject")
    upload_images(engine, store, open_images(f"{s3}/swept"))
    with engine.begin() as connection:
        connection.execute(IMAGES.update().values(stored_at=datetime(2020, 1, 1, tzinfo=UTC)))
    policy = tmp_path / "retention.toml"
    policy.write_text("reject_days = 30\n")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["sweep", "--database", database, "--images", f"{s3}/swept", "--policy", str(policy)]
    assert command.run(parser.parse_args(words)) == 0
    assert open_images(f"{s3}/swept").put_at_ns(image) is None
    with engine.connect() as connection:
        assert connection.execute(select(IMAGES.c.drop_reason)).scalar_one() == "age: reject kept for 30 days"
