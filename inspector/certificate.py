"""A certificate: what was proved of a policy, on which parts, for which networks and recipe, and what ends it.

It is made of one bundle and stands in the next: a bundle is named by the hash of all its files, so no file of it can
name it. A certificate therefore names the bundle that was measured, and binds itself to what judges there: the
network of one precision, its calibration, and how pictures are made ready and outputs are read (`judge_of`). A bundle
in which the same judges, and only such a bundle, can carry it. `SHA256SUMS` guards the certificate's own bytes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue

from inspector.bundle import Bundle, Precision
from inspector.cheapest import Costs
from inspector.documents import Document, read_bytes, read_json
from inspector.errors import BundleError, CertificateError
from inspector.held import Unit
from inspector.limits import GOOD, Claim
from inspector.recipe import Recipe
from inspector.risk import Rate
from inspector.verdict import Policy

CERTIFICATE = "certificate.json"
_DIGEST = r"^[0-9a-f]{64}$"
_JUDGING = ("roi", "template", "enrolment", "expected", "quality", "mm_per_px", "rules")
"""Fields of a recipe that decide what the network sees and what its answer leads to. Precision is named by itself."""
VOIDED_BY = (
    "another bundle: other weights, calibration, preprocessing or reading of the outputs",
    "another precision, or another runtime library than the one named",
    "a recipe with other limits, region, picture limits, rules, template or variants",
    "a drift alarm, until its cause is found and removed",
    "parts unlike those that were held: another product, surface, defect, camera, lens or light",
)


class CertifiedRate(Document):
    """One rate, and what was proved of it."""

    name: str = Field(description="a kind of defect, `any defect`, or `good`")
    n: int = Field(ge=1, description="independent things that were held")
    misses: int = Field(ge=0, description="of them, passed although defective, or rejected although good")
    allowed: int = Field(ge=0, description="misses that the claim could bear; settled before any score was seen")
    at_most: float = Field(gt=0, lt=1, description="the true rate, with the certificate's confidence")

    def text(self, unit: Unit, confidence: float) -> str:
        """Return e.g. `any defect passed: 0 of 320 groups; certified: at most 1 % (95 %)`."""
        what = "good rejected" if self.name == GOOD else f"{self.name} passed"
        seen = f"{self.misses} of {self.n} {unit}s"
        return f"{what}: {seen}; certified: at most {100 * self.at_most:g} % ({100 * confidence:g} %)"


class Certificate(Document):
    """`certificate.json`. All bounds hold at once, with the claim's confidence over the draw of the held parts."""

    format: Literal[1] = 1
    claim: Claim
    unit: Unit = Field(description="what counted once, and is taken as independent of all others")
    parts: int = Field(ge=2, description="held parts: pictures, or rows of the index")
    groups: int = Field(ge=1, description="groups among them")
    rates: tuple[CertifiedRate, ...] = Field(min_length=2)
    reviewed: int = Field(ge=0, description="held parts that go to review")
    policy: Policy = Field(description="the limits that were proved")
    costs: Costs | None = Field(default=None, description="by which the limits were chosen; unset: least review")
    cost_per_1000: float | None = Field(default=None, description="expected, with the rates seen on the held parts")
    bundle: str = Field(pattern=_DIGEST, description="id of the bundle that was measured")
    judge: str = Field(pattern=_DIGEST, description="SHA-256 of what judges: see inspector.certificate")
    precision: Precision
    runtime: str = Field(description="library that ran the network")
    recipe: dict[str, JsonValue] = Field(description="fields of the recipe that decide what is seen and what follows")
    dataset: str = Field(description="name of the data set's folder")
    dataset_hash: str = Field(pattern=_DIGEST, description="SHA-256 over the index and the held pictures")
    split: str = Field(description="rows of the index that were held")
    made_at: datetime
    voided_by: tuple[str, ...] = VOIDED_BY

    def lines(self) -> list[str]:
        """Return what is proved, one rate a line, then review and cost."""
        rates = [rate.text(self.unit, self.claim.confidence) for rate in self.rates]
        review = f"to review on these parts: {Rate(self.reviewed, self.parts).text()}"
        if self.costs is None or self.cost_per_1000 is None:
            return [*rates, review]
        return [*rates, review, f"expected cost of 1,000 parts: {self.cost_per_1000:.6g}"]

    def short(self) -> str:
        """Return the proof in a few words, for where limits are shown."""
        bounds = f"escape at most {100 * self.claim.escape:g} %, overkill at most {100 * self.claim.overkill:g} %"
        held = f"{self.parts} parts ({self.groups} groups), counted by {self.unit}"
        return f"certified at {100 * self.claim.confidence:g} %: {bounds}, on {held}, {self.made_at:%Y-%m-%d}"


def judge_of(bundle: Bundle, precision: Precision) -> str:
    """Return the SHA-256 of all in a bundle that a part's probability comes from at one precision."""
    manifest = bundle.manifest
    read = manifest.model_dump(
        mode="json",
        include={"task", "classes", "good", "several", "input", "template", "tiles", "output_names", "reading"},
    )
    network = hashlib.sha256(read_bytes(bundle.model_path(precision), BundleError)).hexdigest()
    calibration = bundle.calibration(precision).model_dump(mode="json")
    content = json.dumps([precision, network, calibration, read], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def judging_fields(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a recipe that a certificate depends on, without precision, limits, name and machine."""
    return recipe.model_dump(mode="json", include=set(_JUDGING))


def load_certificate(bundle: Bundle) -> Certificate | None:
    """Return the certificate that a bundle carries, or None; raise CertificateError where it is not valid."""
    path = bundle.path / CERTIFICATE
    return read_json(path, Certificate, CertificateError) if path.is_file() else None


def require_fit(certificate: Certificate, bundle: Bundle, recipe: Recipe) -> None:
    """Refuse a certificate that says nothing of this use; a CertificateError for each way in which it may not.

    Args:
        certificate: what was proved.
        bundle: whose network, calibration and, unless the recipe sets some, limits are used.
        recipe: as it runs; its `runtime.kind` is taken as the library that runs, `auto` as not yet known.
    """
    where = f"{bundle.path / CERTIFICATE}"
    if certificate.precision != recipe.precision:
        raise CertificateError(f"{where}: precision: certified at {certificate.precision}, used at {recipe.precision}")
    if certificate.judge != judge_of(bundle, recipe.precision):
        raise CertificateError(
            f"{where}: bundle: certified for bundle {certificate.bundle[:16]}, whose network or calibration is another "
            f"than that of bundle {bundle.id[:16]}"
        )
    if recipe.runtime.kind not in (certificate.runtime, "auto"):
        raise CertificateError(f"{where}: runtime: certified on {certificate.runtime}, used on {recipe.runtime.kind}")
    mine = judging_fields(recipe)
    if other := [name for name in _JUDGING if certificate.recipe.get(name) != mine[name]]:
        raise CertificateError(f"{where}: recipe: certified with another {', '.join(other)} than the recipe's")
    _require_limits(where, certificate.policy, recipe.policy or bundle.manifest.limits)


def _require_limits(where: str, proved: Policy, used: Policy) -> None:
    for name in ("pass_below", "reject_above", "review_novelty", "review_p_value"):
        was, now = getattr(proved, name), getattr(used, name)
        if was != now:
            raise CertificateError(f"{where}: policy.{name}: certified at {_limit(was)}, used at {_limit(now)}")


def _limit(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def require_certified(bundle: Bundle, recipe: Recipe) -> Certificate:
    """Return the certificate that holds for a bundle under a recipe; raise CertificateError where none does."""
    certificate = load_certificate(bundle)
    if certificate is None:
        raise CertificateError(f"{bundle.path}: the bundle carries no certificate; make one with `inspector certify`")
    require_fit(certificate, bundle, recipe)
    return certificate


def is_certified(bundle: Bundle, recipe: Recipe) -> bool:
    """Tell whether a certificate holds for a bundle under a recipe."""
    try:
        require_certified(bundle, recipe)
    except CertificateError:
        return False
    return True


def standing(bundle: Bundle, recipe: Recipe) -> str:
    """Return in one line what is certified of a bundle under a recipe, or why nothing is."""
    try:
        return require_certified(bundle, recipe).short()
    except CertificateError as error:
        return f"not certified: {error}"
