"""The next bundle, in which the same judges under proved limits: how a certificate reaches a line.

A bundle never changes. Its revision has the networks, calibrations and golden pictures of the bundle that was
measured, byte for byte, with the certificate, the limits that it proves, and a page of the card; its manifest names
the bundle that it was made from as its parent. The old bundle stays, and going back to it is one order.
"""

from __future__ import annotations

from pathlib import Path

from inspector.bundle import SIGNATURES, SUMS, Bundle, Golden, GoldenSample, GoldenVerdict, Manifest, write_bundle
from inspector.certificate import CERTIFICATE, Certificate
from inspector.documents import read_bytes
from inspector.errors import BundleError
from inspector.values import Outcome
from inspector.verdict import Policy

PAGE = "## Certificate"


def write_revision(out: Path, bundle: Bundle, certificate: Certificate, parent: str | None) -> Path:
    """Write the certified revision of `bundle` below `out` and return its folder; raises BundleError."""
    files = bundle_files(bundle)
    card = _without_page(files.get("card.md", b"").decode())
    files["card.md"] = f"{card}\n{page(certificate)}".encode()
    files[CERTIFICATE] = (certificate.model_dump_json(indent=2) + "\n").encode()
    files["golden/golden.json"] = _golden(bundle, certificate.policy)
    return write_bundle(out, _manifest(bundle.manifest, certificate.policy, parent), files)


def write_refusal(out: Path, bundle: Bundle, reason: str) -> Path:
    """Write `bundle` below `out` as it is, with a page of the card that says why it has no certificate."""
    files = bundle_files(bundle)
    card = _without_page(files.get("card.md", b"").decode())
    files["card.md"] = f"{card}\n{PAGE}\n\nNone: {reason}.\n".encode()
    return write_bundle(out, bundle.manifest, files)


def bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """Return every file of a bundle by its path within it, without those that `write_bundle` makes, and signatures."""
    made = {SUMS, SIGNATURES, "manifest.json", CERTIFICATE}
    paths = {path.relative_to(bundle.path).as_posix(): path for path in bundle.path.rglob("*") if path.is_file()}
    return {name: read_bytes(path, BundleError) for name, path in sorted(paths.items()) if name not in made}


def page(certificate: Certificate) -> str:
    """Return the card's page in Markdown."""
    policy, claim = certificate.policy, certificate.claim
    rows = "\n".join(f"- {line}" for line in certificate.lines())
    voided = "\n".join(f"- {cause}" for cause in certificate.voided_by)
    return (
        f"{PAGE}\n\n"
        f"PASS below {policy.pass_below:.6g}, REJECT from {policy.reject_above:.6g}, REVIEW between: in place of the "
        "limits named above. Over the draw of the held parts, all bounds hold at once with "
        f"{100 * claim.confidence:g} % confidence, for parts of the process that these came from:\n\n{rows}\n\n"
        f"Held: {certificate.parts} parts in {certificate.groups} groups of `{certificate.split}` of "
        f"{certificate.dataset} (hash {certificate.dataset_hash[:16]}). Each {certificate.unit} counts once"
        f"{_COUNTED[certificate.unit]}. Made {certificate.made_at:%Y-%m-%d %H:%M} UTC on bundle "
        f"{certificate.bundle[:16]}, precision {certificate.precision}, {certificate.runtime}.\n\n"
        f"What voids it:\n\n{voided}\n"
    )


_COUNTED = {
    "group": ": it has escaped when any of its defective parts passes, and was rejected when any of its good ones is",
    "part": ", taken as independent of all others, those of its group included",
}


def _without_page(card: str) -> str:
    return card.partition(PAGE)[0].rstrip("\n") + "\n"


def _manifest(manifest: Manifest, policy: Policy, parent: str | None) -> Manifest:
    lineage = manifest.lineage if parent is None else manifest.lineage.model_copy(update={"parent": parent})
    return manifest.model_copy(update={"limits": policy, "lineage": lineage})


def _golden(bundle: Bundle, policy: Policy) -> bytes:
    samples = tuple(_redecided(sample, bundle.manifest.limits, policy) for sample in bundle.golden)
    return (Golden(samples).model_dump_json(indent=2) + "\n").encode()


def _redecided(sample: GoldenSample, before: Policy, after: Policy) -> GoldenSample:
    """Return what the self-test must find under the new limits; what went to review as a stranger still does."""
    expected = {}
    for precision, verdict in sample.expected.items():
        by_limits = verdict.outcome is outcome_of(verdict.defect_probability, before)
        outcome = outcome_of(verdict.defect_probability, after) if by_limits else verdict.outcome
        expected[precision] = GoldenVerdict(
            outcome=outcome, label=verdict.label, defect_probability=verdict.defect_probability
        )
    return sample.model_copy(update={"expected": expected})


def outcome_of(probability: float, policy: Policy) -> Outcome:
    """Return what the limits alone make of a probability."""
    if probability >= policy.reject_above:
        return Outcome.REJECT
    return Outcome.REVIEW if probability >= policy.pass_below else Outcome.PASS
