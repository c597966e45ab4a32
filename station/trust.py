"""Which bundles a station lets serve: signed with a key that it trusts, and none from before what served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspector.bundle import Bundle
from inspector.errors import BundleError, UserError
from station.config import StationConfig

if TYPE_CHECKING:  # the vision process checks signatures too, and loads no database
    from db.servings import Serving


def require_trusted(bundle: Bundle, config: StationConfig) -> None:
    """Refuse a bundle without a signature that holds, where the configuration asks for one.

    Raises:
        BundleError: not signed, signed with another key, or the signature is of other content.
        UserError: a key file that is none, or the package that checks signatures is missing.
    """
    if not config.station.require_signature:
        return
    try:
        from db.audit_keys import read_public
        from db.signatures import require_signed
    except ModuleNotFoundError as error:
        raise UserError(f"require_signature needs {error.name}: pip install 'open-inspector[plant]'") from error
    require_signed(bundle, [read_public(path) for path in config.station.trusted_keys])


def require_no_replay(bundle: Bundle, served: Serving | None, config: StationConfig) -> None:
    """Refuse a bundle that was made before the one that served last, where signatures are required.

    An old bundle keeps its signature for ever; the way back to one is the order `rollback`, which is on record.
    """
    if not config.station.require_signature or served is None or served.made_at is None:
        return
    made, before = bundle.manifest.lineage.created_at, served.made_at
    if made < before:
        raise BundleError(
            f"{bundle.path}: made {made:%Y-%m-%d %H:%M:%S}, before bundle {served.bundle_id[:16]} of "
            f"{before:%Y-%m-%d %H:%M:%S} that served here; an older one needs the order rollback"
        )
