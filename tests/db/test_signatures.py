"""Signatures of bundles: what they cover, and by name what is wrong with one that does not hold."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db.audit_keys import PrivateKey, new_key, write_keys
from db.signatures import KEY_NAMES, require_signed, sign_bundle, signatures_of
from inspector.bundle import SIGNATURES, load_bundle, write_bundle
from inspector.cli import main
from inspector.errors import BundleError
from inspector.revision import bundle_files
from tests.conftest import brightness_network, manifest
from tests.conftest import bundle_files as files_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Signed:
    path: Path
    key: PrivateKey


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    path, key = write_bundle(tmp_path / "bundles", manifest(), files_of(brightness_network())), new_key()
    sign_bundle(load_bundle(path), key, "ann", NOON)
    return Signed(path, key)


def refusal(path: Path, *keys: PrivateKey) -> str:
    with pytest.raises(BundleError) as caught:
        require_signed(load_bundle(path), [key.public for key in keys])
    return str(caught.value)


def test_a_signed_bundle_is_the_same_bundle(signed: Signed, tmp_path: Path) -> None:
    unsigned = write_bundle(tmp_path / "again", manifest(), files_of(brightness_network()))
    assert load_bundle(signed.path).id == load_bundle(unsigned).id
    found = require_signed(load_bundle(signed.path), [new_key().public, signed.key.public])
    assert (found.person, found.signed_at, found.key_id) == ("ann", NOON, signed.key.key_id)
    assert [path.name for path in signed.path.parent.iterdir() if path.name.startswith(".")] == []


def test_an_unsigned_bundle_is_refused(tmp_path: Path) -> None:
    path = write_bundle(tmp_path, manifest(), files_of(brightness_network()))
    assert "not signed; expected signatures.json" in refusal(path, new_key())


def test_a_key_that_nobody_trusts_is_refused_by_name(signed: Signed) -> None:
    assert f"signed by {signed.key.key_id[:16]}, none of the 1 keys that are trusted" in refusal(signed.path, new_key())


def test_the_signature_of_another_bundle_is_refused(signed: Signed, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", manifest(), files_of(brightness_network(9.0)))
    shutil.copy(signed.path / SIGNATURES, other / SIGNATURES)
    assert f"the signature of key {signed.key.key_id[:16]} is not of this content" in refusal(other, signed.key)


@pytest.mark.parametrize("file", ["model.onnx", "manifest.json", "SHA256SUMS", SIGNATURES])
def test_one_flipped_byte_anywhere_is_refused(signed: Signed, file: str) -> None:
    content = bytearray((signed.path / file).read_bytes())
    place = content.index(b'"signature":') + 20 if file == SIGNATURES else len(content) // 2
    content[place] = ord("1") if content[place] == ord("0") else ord("0")
    (signed.path / file).write_bytes(bytes(content))
    assert str(signed.path) in refusal(signed.path, signed.key)


def test_several_persons_may_sign_and_one_that_is_trusted_is_enough(signed: Signed) -> None:
    second = new_key()
    sign_bundle(load_bundle(signed.path), second, "bob", NOON)
    sign_bundle(load_bundle(signed.path), second, "bob", NOON)
    assert [one.person for one in signatures_of(load_bundle(signed.path))] == ["ann", "bob"]
    assert require_signed(load_bundle(signed.path), [second.public]).person == "bob"


def test_a_revision_does_not_inherit_the_signature(signed: Signed) -> None:
    assert SIGNATURES not in bundle_files(load_bundle(signed.path))


def test_nobody_cannot_sign(signed: Signed) -> None:
    with pytest.raises(BundleError, match="expected who signs"):
        sign_bundle(load_bundle(signed.path), signed.key, " ", NOON)


def test_the_commands_make_a_key_sign_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_bundle(tmp_path / "bundles", manifest(), files_of(brightness_network()))
    private, public = (str(tmp_path / "keys" / name) for name in KEY_NAMES)
    assert main(["bundle", "signing-key", str(tmp_path / "keys")]) == 0
    assert main(["bundle", "verify-signature", str(path), "--key", public]) == 2
    assert "not signed" in capsys.readouterr().err
    assert main(["bundle", "sign", str(path), "--key", private, "--by", "ann"]) == 0
    assert main(["bundle", "verify-signature", str(path), "--key", public]) == 0
    assert "by ann" in capsys.readouterr().out
    assert main(["bundle", "sign", str(path), "--key", public]) == 2
    assert "no private key in PEM" in capsys.readouterr().err


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    write_keys(new_key(), tmp_path, KEY_NAMES)
    assert main(["bundle", "signing-key", str(tmp_path)]) == 2
