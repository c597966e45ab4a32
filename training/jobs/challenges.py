"""The challenge parts of a recipe as a folder for the gate: what stations took of them, checked against its hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from db.challenges import SeenChallenge
from db.images import ImageStore, StoredImage
from inspector.errors import DatasetError, StorageFault
from training.gate.known import INDEX, ChallengePicture, ChallengeSet


def write_challenges(seen: Sequence[SeenChallenge], images: Path, out: Path) -> Path | None:
    """Write the pictures with what was expected of each; None where there is none. What an attempt left is replaced.

    Raises:
        DatasetError: a picture that is missing or altered, or a folder that cannot be written.
    """
    if not seen:
        return None
    store, listed = ImageStore(images), []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for one in seen:
            name = f"{one.part_id}{PurePosixPath(one.path).suffix}"
            (out / name).write_bytes(store.load(StoredImage(one.sha256, one.path, 0)))
            listed.append(ChallengePicture(path=name, code=one.code, expected=one.expected, label=one.label))
        (out / INDEX).write_text(ChallengeSet(tuple(listed)).model_dump_json(indent=2) + "\n", encoding="utf-8")
    except StorageFault as error:
        raise DatasetError(f"challenge part: {error}") from error
    except OSError as error:
        raise DatasetError(f"{out}: challenge parts cannot be written ({error.strerror})") from error
    return out
