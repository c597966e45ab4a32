"""The life of a part as a page, with its pictures where the station keeps them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from db.history.parts import Inspected
from db.images import ImageStore
from inspector.errors import StorageFault
from station import pages
from station.demo.look import LOOKS

_MOST_PICTURES = 24
_KINDS = {b"\xff\xd8": "jpeg", b"\x89P": "png"}


def write_page(out: Path, part: str, found: Sequence[Inspected], images: Path | None) -> None:
    named = [(one.record.image_sha256, *(view.image_sha256 for view in one.record.views)) for one in found]
    kept = list(dict.fromkeys(sha256 for hashes in named for sha256 in hashes if sha256))[-_MOST_PICTURES:]
    pictures = {sha256: _source(ImageStore(images), sha256) for sha256 in kept} if images else {}
    shown = [list(dict.fromkeys(sha256 for sha256 in hashes if sha256 in pictures)) for hashes in named]
    values = {"part": part, "found": found, "pictures": pictures, "shown": shown}
    pages.write(pages.render("reports/part.html.j2", looks=LOOKS, **values), out)


def _source(store: ImageStore, sha256: str) -> str | None:
    """The picture itself, for the page; None where the store has it no more."""
    try:
        encoded = store.read(sha256)
    except StorageFault:
        return None
    return f"data:image/{_KINDS.get(encoded[:2], 'jpeg')};base64,{base64.b64encode(encoded).decode('ascii')}"
