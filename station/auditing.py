"""Which pictures are kept: those of passes drawn for audit, by a key that nobody at the line knows, and of the rest."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from inspector.draws import KEY_BYTES, Stratum, fingerprint, read_key, strata_of
from inspector.errors import ConfigError
from inspector.values import Outcome, Verdict
from inspector.verdict import Policy
from station.config import StationConfig

KEY_FILE = "audit.key"


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Everything that a draw needs beyond the part and its verdict."""

    key: bytes = field(repr=False)
    strata: tuple[Stratum, ...]

    def text(self) -> str:
        """Say what is drawn, and by which key without telling it."""
        shares = "; ".join(f"{100 * stratum.share:g} % of passes at {stratum.name}" for stratum in self.strata)
        return f"{shares}; key {fingerprint(self.key)}"


def audit_plan(config: StationConfig, policy: Policy) -> AuditPlan | None:
    """Return the plan, or None where the configuration has no `[audit]`; raise ConfigError for a bad key file."""
    if config.audit is None:
        return None
    return AuditPlan(read_key(config.station.folder / KEY_FILE), strata_of(config.audit, policy.pass_below))


def make_key(folder: Path) -> Path:
    """Make the station's key where it has none: random, readable by the station's account only, whole or not at all."""
    path = folder / KEY_FILE
    if path.exists():
        return path
    fresh = path.with_name(f".{KEY_FILE}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: key of the audit draws cannot be made ({error.strerror})") from error
    return path


def keeps_image(verdict: Verdict, policy: str, *, shadowed: bool = False) -> bool:
    """Tell whether a part's images are stored whatever is drawn: `all`, `none`, or `not-pass`.

    A pass that a bundle in the shadow judges too is kept as well: what both say otherwise of, a person must see.
    """
    return policy == "all" or (policy == "not-pass" and (shadowed or verdict.outcome is not Outcome.PASS))
