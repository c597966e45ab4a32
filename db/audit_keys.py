"""Keys that sign the audit log, and others that sign bundles: Ed25519, as PEM files.

The private one belongs to whoever runs the signing, and not to the database's administrator.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from inspector.errors import UserError

PRIVATE_NAME, PUBLIC_NAME = "audit-key.pem", "audit-key.pub.pem"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Checks signatures."""

    key: Ed25519PublicKey

    @property
    def key_id(self) -> str:
        """SHA-256 of the key's 32 bytes."""
        return hashlib.sha256(self.key.public_bytes_raw()).hexdigest()

    def holds(self, signature: str, message: bytes) -> bool:
        """Whether `signature`, in hexadecimal digits, is this key's under `message`."""
        try:
            self.key.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Signs."""

    key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, message: bytes) -> str:
        """Return the signature in hexadecimal digits."""
        return self.key.sign(message).hex()


def new_key() -> PrivateKey:
    return PrivateKey(Ed25519PrivateKey.generate())


def write_keys(
    key: PrivateKey, folder: Path, names: tuple[str, str] = (PRIVATE_NAME, PUBLIC_NAME)
) -> tuple[Path, Path]:
    """Write both halves, the private one readable by its owner alone; never over one that is there."""
    private, public = (folder / name for name in names)
    pem = key.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(pem)
        public.write_bytes(
            key.public.key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    except OSError as error:
        raise UserError(f"{error.filename or private}: key cannot be written ({error.strerror})") from error
    return private, public


def read_private(path: Path) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), None)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: no private key in PEM without a password; expected one as {PRIVATE_NAME}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path}: expected an Ed25519 key")
    return PrivateKey(key)


def read_public(path: Path) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(_read(path))
    except ValueError as error:
        raise UserError(f"{path}: no public key in PEM; expected one as {PUBLIC_NAME}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{path}: expected an Ed25519 key")
    return PublicKey(key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: key cannot be read ({error.strerror})") from error
