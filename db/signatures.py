"""Who vouches for a bundle: Ed25519 signatures that lie beside its list of hashes, and so cover its every byte.

What is signed is the bundle's id, the hash of SHA256SUMS. The signatures themselves are not in that list: a bundle has
the same id when it is signed, and may be signed by several persons.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import Field, RootModel

from db.audit_keys import PrivateKey, PublicKey
from inspector.bundle import SIGNATURES, Bundle
from inspector.documents import Document, read_json
from inspector.errors import BundleError

KEY_NAMES = ("bundle-key.pem", "bundle-key.pub.pem")
_PURPOSE = b"open-inspector bundle signature 1\n"
"""A signature under anything else that this key signs says nothing of a bundle."""


class Signature(Document):
    """One signature; only `signature` is proof, the rest says where to look."""

    key_id: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the public key's 32 bytes")
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")
    person: str = Field(min_length=1, max_length=64)
    signed_at: datetime


class Signatures(RootModel[tuple[Signature, ...]]):
    """`signatures.json`."""


def sign_bundle(bundle: Bundle, key: PrivateKey, person: str, now: datetime) -> Path:
    """Add a signature to a bundle, in place of an earlier one of the same key; return the file.

    Raises:
        BundleError: nobody is named, or the folder cannot be written.
    """
    if not person.strip() or len(person) > 64:
        raise BundleError(f"{bundle.path}: signature: expected who signs, in 1 to 64 letters")
    path = bundle.path / SIGNATURES
    made = Signature(key_id=key.key_id, signature=key.sign(_message(bundle)), person=person, signed_at=now)
    others = [one for one in signatures_of(bundle) if one.key_id != made.key_id]
    # Beside the bundle until it is whole: in its folder an unfinished file would be one too many.
    fresh = bundle.path.parent / f".{bundle.path.name}.{SIGNATURES}.{os.getpid()}"
    try:
        fresh.write_text(Signatures((*others, made)).model_dump_json(indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def signatures_of(bundle: Bundle) -> tuple[Signature, ...]:
    """Return what stands beside a bundle, unproved; raise BundleError where it is no such document."""
    path = bundle.path / SIGNATURES
    return read_json(path, Signatures, BundleError).root if path.is_file() else ()


def require_signed(bundle: Bundle, trusted: Sequence[PublicKey]) -> Signature:
    """Return a signature by a trusted key that holds; raise BundleError saying why there is none."""
    keys, found = {key.key_id: key for key in trusted}, signatures_of(bundle)
    if not found:
        raise BundleError(f"{bundle.path}: not signed; expected {SIGNATURES} (`inspector bundle sign`)")
    known = [one for one in found if one.key_id in keys]
    if not known:
        signers = ", ".join(one.key_id[:16] for one in found)
        raise BundleError(f"{bundle.path}: signed by {signers}, none of the {len(keys)} keys that are trusted")
    for one in known:
        if keys[one.key_id].holds(one.signature, _message(bundle)):
            return one
    raise BundleError(f"{bundle.path}: the signature of key {known[0].key_id[:16]} is not of this content")


def _message(bundle: Bundle) -> bytes:
    return _PURPOSE + bundle.id.encode("ascii")
