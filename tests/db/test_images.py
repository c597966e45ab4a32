from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.images import ImageStore
from inspector.errors import StorageFault


@settings(deadline=None, max_examples=20)
@given(encoded=st.binary(min_size=1, max_size=2000))
def test_what_was_put_is_read(tmp_path_factory: pytest.TempPathFactory, encoded: bytes) -> None:
    store = ImageStore(tmp_path_factory.mktemp("images"))
    assert store.read(store.put(encoded, ".png").sha256) == encoded


def test_a_file_lies_under_the_hash_of_its_content(tmp_path: Path) -> None:
    image = ImageStore(tmp_path).put(b"picture", ".png")
    sha256 = hashlib.sha256(b"picture").hexdigest()
    assert image.sha256 == sha256
    assert image.path == f"{sha256[:2]}/{sha256[2:4]}/{sha256}.png"
    assert image.size_bytes == 7
    assert _files(tmp_path) == [tmp_path / image.path]


def test_putting_twice_writes_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    first = store.put(b"picture", ".png")
    written = (tmp_path / first.path).stat()
    assert store.put(b"picture", ".png") == first
    assert (tmp_path / first.path).stat().st_ino == written.st_ino


def test_a_file_cut_short_is_written_again(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    image = store.put(b"picture", ".png")
    (tmp_path / image.path).write_bytes(b"pic")
    store.put(b"picture", ".png")
    assert store.read(image.sha256) == b"picture"


def test_a_changed_file_is_not_given_out(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    image = store.put(b"picture", ".png")
    (tmp_path / image.path).write_bytes(b"pictUre")
    with pytest.raises(StorageFault, match="content has changed"):
        store.read(image.sha256)


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="not in"):
        ImageStore(tmp_path).read("a" * 64)


def test_what_a_kill_left_half_written_is_swept_and_whole_images_stay(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    assert _killed_inside_write(store) == 9
    assert len(_files(tmp_path)) == 1
    whole = store.put(b"picture", ".png")
    assert store.sweep() == 1
    assert _files(tmp_path) == [tmp_path / whole.path]
    assert store.sweep() == 0


@pytest.mark.parametrize("sha256", ["../../etc/passwd", "A" * 64, "*" * 64])
def test_only_a_hash_is_read(tmp_path: Path, sha256: str) -> None:
    with pytest.raises(ValueError, match="expected 64 hexadecimal digits"):
        ImageStore(tmp_path).read(sha256)


@pytest.mark.parametrize("suffix", ["png", "/../x.png", ".PNG", ""])
def test_only_a_plain_suffix_is_taken(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix"):
        ImageStore(tmp_path).put(b"picture", suffix)


def test_others_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        image = ImageStore(tmp_path).put(b"picture", ".png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / image.path).stat().st_mode) == 0o644


def test_a_full_disk_leaves_nothing_behind(small_disk: Path) -> None:
    store = ImageStore(small_disk / "images")
    kept = store.put(b"kept", ".png")
    with pytest.raises(StorageFault, match="No space left"):
        store.put(os.urandom(4 * 2**20), ".png")
    assert _files(small_disk) == [small_disk / "images" / kept.path]
    store.put(b"fits", ".png")


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFault, match=r"Not a directory|File exists"):
        ImageStore(tmp_path / "file").put(b"picture", ".png")


def test_many_threads_may_put_the_same_image(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    threads = [threading.Thread(target=store.put, args=(b"picture", ".png")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_files(tmp_path)) == 1


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _killed_inside_write(store: ImageStore) -> int:
    """Write as a process does that ends before the file has its name, and return its exit status."""
    script = (
        "import os, sys; from pathlib import Path; from db.images import ImageStore;"
        "os.replace = lambda *_: os._exit(9); ImageStore(Path(sys.argv[1])).put(b'half', '.png')"
    )
    return subprocess.run([sys.executable, "-c", script, str(store.root)]).returncode
