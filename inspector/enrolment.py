"""Enrolment: which variants of a part a station knows, taught by a few pictures and without training.

A document beside the bundle, which itself never changes. It holds the references' embeddings as one bundle at one
precision gives them, so it names both and is refused with any other; its own SHA-256 is part of it, so that one altered
number is noticed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from inspector.bundle import Bundle, Precision
from inspector.documents import Document, read_json
from inspector.errors import EnrolmentError
from inspector.matching import References, as_references
from inspector.preprocess import Roi

_DIGEST = r"^[0-9a-f]{64}$"


class Reference(Document):
    """One picture of a variant."""

    source: str = Field(description="name of the picture's file")
    picture_sha256: str = Field(pattern=_DIGEST, description="of the file's bytes")
    embedding: tuple[float, ...] = Field(min_length=2, description="of unit length, as the bundle gives it")


class Enrolment(Document):
    """Variants and their references. Never edited: `enrol` and `without` make the next one."""

    format: Literal[1] = 1
    bundle: str = Field(pattern=_DIGEST, description="id of the bundle that made the embeddings")
    precision: Precision = Field(description="which of its networks did")
    roi: Roi | None = Field(default=None, description="region of interest that was looked at; unset: the whole frame")
    variants: dict[str, tuple[Reference, ...]] = Field(min_length=1, description="references of each variant")

    @field_validator("variants")
    @classmethod
    def _has_references(cls, variants: dict[str, tuple[Reference, ...]]) -> dict[str, tuple[Reference, ...]]:
        if empty := [name for name, rows in variants.items() if not rows or not name.strip()]:
            raise ValueError(f"variant {empty[0]!r} must have a name and at least one reference")
        if len({len(row.embedding) for rows in variants.values() for row in rows}) > 1:
            raise ValueError("embeddings must all be of one length")
        return variants

    def sha256(self) -> str:
        """Return the hash of the content, the same however the file is laid out."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def references(self) -> References:
        return as_references({name: [row.embedding for row in rows] for name, rows in self.variants.items()})

    def enrol(self, variant: str, references: tuple[Reference, ...]) -> Enrolment:
        """Return an enrolment in which `variant` has exactly these references."""
        return self.model_copy(update={"variants": {**self.variants, variant: references}})


class SealedEnrolment(Document):
    """What the file holds."""

    sha256: str = Field(pattern=_DIGEST, description="of the enrolment below, in canonical form")
    enrolment: Enrolment


def seal(enrolment: Enrolment) -> str:
    """Return the file's text."""
    return SealedEnrolment(sha256=enrolment.sha256(), enrolment=enrolment).model_dump_json(indent=1) + "\n"


def load_enrolment(path: Path) -> Enrolment:
    """Read an enrolment; raise EnrolmentError when it is missing, not valid, or altered since it was written."""
    sealed = read_json(path, SealedEnrolment, EnrolmentError)
    if sealed.enrolment.sha256() != sealed.sha256:
        raise EnrolmentError(f"{path}: sha256: the enrolment has been altered since it was written")
    return sealed.enrolment


def require_fit(path: Path, enrolment: Enrolment, bundle: Bundle, precision: Precision, roi: Roi | None) -> None:
    """Refuse references that another network, or the same one looking elsewhere, has made."""
    if enrolment.bundle != bundle.id:
        raise EnrolmentError(
            f"{path}: bundle: made with bundle {enrolment.bundle[:16]}, not with {bundle.id[:16]}; enrol again with it"
        )
    if enrolment.precision != precision:
        raise EnrolmentError(f"{path}: precision: made at {enrolment.precision}, expected {precision}")
    if enrolment.roi != roi:
        raise EnrolmentError(f"{path}: roi: made with another region of interest than the recipe's")
