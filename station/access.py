"""Who may talk to a port of the station: everybody on this machine, or whoever sends its token."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path

from inspector.documents import read_bytes
from inspector.errors import ConfigError


def require_guard(host: str, token_file: Path | None) -> None:
    """Refuse an address that other machines reach where no token guards it; raise ValueError."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ValueError(f"host {host!r}: expected an IP address") from error
    if not loopback and token_file is None:
        raise ValueError(f"host {host} is reached from other machines; expected token_file beside it")


def read_token(token_file: Path | None) -> bytes | None:
    """Return the token that callers must send, None where there is no file; raise ConfigError."""
    if token_file is None:
        return None
    token = read_bytes(token_file, ConfigError).strip()
    if not token:
        raise ConfigError(f"{token_file}: token_file is empty; expected a token")
    return token


def is_known(authorization: str | None, token: bytes | None) -> bool:
    """Whether the Authorization header of a caller holds the token; in the same time, however wrong it is."""
    if token is None:
        return True
    return hmac.compare_digest((authorization or "").encode("latin-1", "replace"), b"Bearer " + token)
