from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from inspector.bundle import LATEST, SUMS, load_bundle, write_bundle
from inspector.calibration import Platt
from inspector.errors import BundleError, InspectorError
from inspector.inspection import Inspector
from inspector.recipe import Recipe
from tests.conftest import brightness_network, bundle_files, golden, manifest

FILES = (
    SUMS,
    "manifest.json",
    "model.onnx",
    "model.cpu-int8.onnx",
    "calibration.json",
    "card.md",
    "golden/golden.json",
    "golden/128.png",
)


@pytest.fixture
def copy(bundle_path: Path, tmp_path: Path) -> Path:
    """A bundle that may be spoilt."""
    return Path(shutil.copytree(bundle_path, tmp_path / bundle_path.name))


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = bundle_files(brightness_network())
    written = manifest(training={"epochs": 5, "minutes": 2.5, "backbone": "none"})
    bundle = load_bundle(write_bundle(tmp_path, written, files))
    assert bundle.manifest == written
    assert {name: (bundle.path / name).read_bytes() for name in files} == files
    assert bundle.calibration("float").platt == Platt(slope=1.0, intercept=0.0)
    assert bundle.model_path("cpu-int8").name == "model.cpu-int8.onnx"


def test_the_name_is_the_hash_of_the_content(bundle_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    assert bundle.id == hashlib.sha256((bundle_path / SUMS).read_bytes()).hexdigest()
    assert bundle_path.name == bundle.id[:16]


def test_the_same_content_has_the_same_name_and_other_content_another(tmp_path: Path) -> None:
    files = bundle_files(brightness_network())
    first = write_bundle(tmp_path / "a", manifest(), files)
    assert write_bundle(tmp_path / "b", manifest(), files).name == first.name
    assert write_bundle(tmp_path / "a", manifest(), files) == first
    assert write_bundle(tmp_path / "a", manifest(), {**files, "card.md": b"other"}).name != first.name


def test_a_folder_of_bundles_stands_for_its_latest(tmp_path: Path) -> None:
    files = bundle_files(brightness_network())
    write_bundle(tmp_path, manifest(), files)
    last = write_bundle(tmp_path, manifest(), {**files, "card.md": b"newer"})
    assert load_bundle(tmp_path).path == last


def test_sha256sum_checks_a_bundle_too(bundle_path: Path) -> None:
    assert subprocess.run(["sha256sum", "--quiet", "-c", SUMS], cwd=bundle_path, check=False).returncode == 0


@pytest.mark.parametrize("name", FILES)
def test_any_flipped_byte_is_noticed(copy: Path, name: str) -> None:
    file = copy / name
    whole = file.read_bytes()
    dice = random.Random(0)
    ends = {0, len(whole) - 1}
    for position in sorted(ends | {dice.randrange(len(whole)) for _ in range(24)}):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << dice.randrange(8)
        file.write_bytes(spoilt)
        assert str(copy) in refusal(copy)
    file.write_bytes(whole)
    load_bundle(copy)


def test_every_flipped_bit_of_the_list_is_noticed_even_under_another_folder_name(copy: Path) -> None:
    shipped = copy.rename(copy.with_name("shipped"))
    whole = (shipped / SUMS).read_bytes()
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << position % 8
        (shipped / SUMS).write_bytes(spoilt)
        refusal(shipped)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_noticed_by_name(copy: Path, name: str, share: float) -> None:
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: int(len(whole) * share)])
    assert name in refusal(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_noticed_by_name(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert name in refusal(copy)


def test_an_extra_file_is_noticed_by_name(copy: Path) -> None:
    (copy / "golden" / "later.png").write_bytes(b"")
    assert "golden/later.png is not listed" in refusal(copy)


def test_a_folder_renamed_to_another_id_is_noticed(copy: Path) -> None:
    renamed = copy.rename(copy.with_name("0123456789abcdef"))
    assert f"content is bundle {copy.name}" in refusal(renamed)


def test_no_folder_and_an_empty_one_are_refused_by_name(tmp_path: Path) -> None:
    assert f"{tmp_path / 'gone'}: no such bundle" in refusal(tmp_path / "gone")
    assert "SHA256SUMS: cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "is no bundle's name"), (b"../../etc\n", "is no bundle's name"), (b"\xff\n", "is no bundle's name")],
)
def test_a_latest_that_names_no_bundle_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / LATEST).write_bytes(content)
    assert expected in refusal(tmp_path)


def test_a_latest_that_points_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / LATEST).write_text("0123456789abcdef\n")
    assert "0123456789abcdef/SHA256SUMS: cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("calibration.json", b"{", "not JSON"),
        ("calibration.json", b'{"float": {"temperature": -1, "n": 1, "n_defect": 0}}', "float.temperature"),
        ("calibration.json", b'{"float": {"temperature": NaN, "n": 1, "n_defect": 0}}', "float.temperature"),
        ("golden/golden.json", b'[{"file": "x.png"}]', "0.label: missing"),
        ("golden/golden.json", b"\xff", "not JSON"),
    ],
)
def test_a_document_that_is_not_valid_is_refused_by_field(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    path = write_bundle(tmp_path, manifest(), {**bundle_files(brightness_network()), name: content})
    assert name in (text := refusal(path))
    assert expected in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": ("good", "good")}, "classes must differ"),
        ({"good": ("fine",)}, "not among the classes"),
        ({"format": 2}, "format"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        manifest(**changes)


def test_a_precision_that_a_bundle_lacks_is_named(tmp_path: Path) -> None:
    files = bundle_files(brightness_network())
    del files["model.cpu-int8.onnx"]
    files["calibration.json"] = json.dumps({"float": json.loads(files["calibration.json"])["float"]}).encode()
    bundle = load_bundle(write_bundle(tmp_path, manifest(), files))
    with pytest.raises(BundleError, match=r"no model\.cpu-int8\.onnx, so no precision cpu-int8"):
        bundle.model_path("cpu-int8")
    with pytest.raises(BundleError, match="no calibration for precision cpu-int8"):
        bundle.calibration("cpu-int8")
    Inspector(bundle, Recipe(precision="float"))


def test_a_bundle_of_a_task_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    weld = manifest().model_copy(update={"task": "weld"})
    with pytest.raises(BundleError, match=r"manifest\.json: task: .*'classify'.*got 'weld'"):
        load_bundle(write_bundle(tmp_path, weld, bundle_files(brightness_network())))


def visible(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("fails_at", range(4))
def test_a_write_that_fails_leaves_no_bundle_and_the_old_one_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    files = bundle_files(brightness_network())
    old = write_bundle(tmp_path, manifest(), files)
    before = visible(tmp_path)
    monkeypatch.setattr(os, "fsync", full_disk_after(fails_at))
    with pytest.raises(BundleError, match="cannot be written \\(No space left on device\\)"):
        write_bundle(tmp_path, manifest(), {**files, "card.md": b"newer"})
    assert visible(tmp_path) == before
    assert load_bundle(tmp_path).path == old
    assert not list(tmp_path.glob(".bundle-*"))


def full_disk_after(writes: int) -> Callable[[int], None]:
    left = iter(range(writes))

    def fsync(_: int) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    return fsync


def test_a_bundle_that_is_being_written_is_not_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(visible(tmp_path)))
    write_bundle(tmp_path, manifest(), bundle_files(brightness_network()))
    assert len(seen) > 5
    assert not any(seen)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "bundles", manifest(), bundle_files(brightness_network()))


def test_the_golden_self_test_finds_what_was_recorded(bundle_path: Path) -> None:
    for precision in ("float", "cpu-int8"):
        assert Inspector(load_bundle(bundle_path), Recipe(precision=precision)).self_test() == 3


def test_the_golden_self_test_catches_another_network(bundle_path: Path, tmp_path: Path) -> None:
    samples = golden(bundle_path)
    spoilt = bundle_files(brightness_network(bias=-8.0))
    inspector = Inspector(load_bundle(write_bundle(tmp_path, manifest(), {**spoilt, **samples})))
    with pytest.raises(BundleError, match=r"20\.png: golden self-test: PASS at 0\.\d+, expected REJECT at 0\.9"):
        inspector.self_test()


def test_the_golden_self_test_catches_a_network_that_is_only_a_little_off(bundle_path: Path, tmp_path: Path) -> None:
    samples = golden(bundle_path, levels=(20, 100, 220))
    spoilt = bundle_files(brightness_network(bias=5.0))
    inspector = Inspector(load_bundle(write_bundle(tmp_path, manifest(), {**spoilt, **samples})))
    with pytest.raises(BundleError, match="golden self-test"):
        inspector.self_test()


def test_a_golden_picture_that_is_not_there_is_named(tmp_path: Path, bundle_path: Path) -> None:
    files = {**bundle_files(brightness_network()), **golden(bundle_path)}
    del files["golden/128.png"]
    inspector = Inspector(load_bundle(write_bundle(tmp_path, manifest(), files)))
    with pytest.raises(InspectorError, match=r"128\.png: cannot be read"):
        inspector.self_test()


def test_samples_of_another_precision_are_not_counted_as_tested(tmp_path: Path, bundle_path: Path) -> None:
    files = {**bundle_files(brightness_network()), **golden(bundle_path)}
    samples = json.loads(files["golden/golden.json"])
    for sample in samples[1:]:
        del sample["expected"]["float"]
    files["golden/golden.json"] = json.dumps(samples).encode()
    bundle = load_bundle(write_bundle(tmp_path, manifest(), files))
    assert Inspector(bundle, Recipe(precision="float")).self_test() == 1
    assert Inspector(bundle, Recipe(precision="cpu-int8")).self_test() == 3
