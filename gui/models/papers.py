"""What a bundle's own folder says of it: its card and its certificate. Every byte is checked before it is believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inspector.bundle import ID_DIGITS, Bundle, load_bundle
from inspector.certificate import Certificate, load_certificate
from inspector.documents import read_bytes
from inspector.errors import BundleError

CARD = "card.md"


@dataclass(frozen=True, slots=True)
class Papers:
    """Of a bundle whose folder was found."""

    path: Path
    card: str
    """Markdown; empty where it has none."""
    certificate: Certificate | None


def find_bundle(bundle_id: str, served_from: Path | None, bundles: Path) -> Bundle:
    """Open a bundle where it served last, else where finished ones appear; raise BundleError where it is in neither."""
    places = [*([] if served_from is None else [served_from]), bundles / bundle_id[:ID_DIGITS]]
    there = next((place for place in places if place.is_dir()), None)
    if there is None:
        looked = " nor ".join(str(place) for place in places)
        raise BundleError(f"bundle {bundle_id[:ID_DIGITS]}: its folder is neither {looked}; name one with --bundles")
    bundle = load_bundle(there)
    if bundle.id != bundle_id:
        raise BundleError(f"{there}: this is bundle {bundle.id[:ID_DIGITS]}; expected {bundle_id[:ID_DIGITS]}")
    return bundle


def papers(bundle: Bundle) -> Papers:
    card = bundle.path / CARD
    words = read_bytes(card, BundleError).decode(errors="replace") if card.is_file() else ""
    return Papers(bundle.path, words, load_certificate(bundle))
