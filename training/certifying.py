"""The last step of a delivery: certify the limits on validation parts, and write the bundle with the certificate.

Validation parts, because they chose nothing. On calibration parts the map from score to probability would do no harm
(it never falls), but they also chose which layers stay float: a network picked by the parts it is then tested on. That
a bundle is refused where its validation parity is poor does no harm either: to deliver less often makes a wrong
certificate rarer, not more frequent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from inspector.bundle import Bundle, Manifest, load_bundle, write_bundle
from inspector.certificate import Certificate
from inspector.certifying import Request, certify
from inspector.errors import CertificateError, UserError
from inspector.evaluation import judge
from inspector.held import Parts
from inspector.inspection import Inspector
from inspector.labels import split_labels
from inspector.limits import Claim, allow
from inspector.recipe import Recipe
from inspector.revision import write_refusal, write_revision
from inspector.samples import Dataset, Sample
from training.order import say
from training.recipe import PolicyRecipe
from training.sbom import SBOM, bill_of_materials
from training.splits import Parts as DatasetParts


def deliver_bundle(
    out: Path,
    manifest: Manifest,
    files: Mapping[str, bytes],
    dataset: Dataset,
    parts: DatasetParts,
    policy: PolicyRecipe,
) -> Path:
    """Write the bundle below `out`, with certified limits where the validation parts prove them; return its folder.

    Where they do not, the limits that the recipe aims at stay, and card and standard output say what is missing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        draft = load_bundle(write_bundle(Path(scratch), manifest, {**files, SBOM: bill_of_materials()}))
        try:
            certificate = certified(draft, dataset, parts, policy)
        except UserError as error:
            say(f"not certified: {error}")
            return write_refusal(out, draft, str(error))
        say("; ".join(certificate.lines()))
        return write_revision(out, draft, certificate, parent=None)


def certified(draft: Bundle, dataset: Dataset, parts: DatasetParts, policy: PolicyRecipe) -> Certificate:
    """Return the certificate of a drafted bundle on the validation parts; raises UserError where there is none."""
    if draft.manifest.task == "embed":
        raise CertificateError("an embedding is certified with a recipe that says which variant is expected")
    request, samples = request_of(policy), parts.validation
    require_countable(samples, [sample.label not in draft.manifest.good for sample in samples], request)
    inspector = Inspector(draft, Recipe())
    judged = judge(inspector, samples, lambda _: None)
    made_at = draft.manifest.lineage.created_at
    return certify(inspector, judged, dataset, parts.validation_origin, request, made_at)


def request_of(policy: PolicyRecipe) -> Request:
    """Return what the training recipe asks to be proved; raise CertificateError where it asks for no bound."""
    if not policy.escape or not policy.overkill:
        raise CertificateError("policy of the training recipe: an escape or overkill of 0 cannot be proved")
    claim = Claim(
        escape=policy.escape, overkill=policy.overkill, confidence=policy.confidence, kinds=dict(policy.kinds)
    )
    return Request(claim, policy.unit, policy.per_kind, policy.costs)


def require_countable(samples: Sequence[Sample], is_defect: Sequence[bool], request: Request) -> None:
    """Refuse at once where the numbers of parts settle it: no picture need be looked at."""
    kinds = tuple(split_labels(sample.label) for sample in samples)
    named = {kind for mine, bad in zip(kinds, is_defect, strict=True) if bad for kind in mine}
    unseen = np.zeros(len(samples))
    counted = Parts(unseen, unseen, np.array(is_defect, bool), kinds, tuple(sample.group for sample in samples))
    asked = sorted(named if request.per_kind else named & request.claim.kinds.keys())
    held = counted.held(asked, request.unit)
    allow({name: scores.size for name, scores in held.defective.items()}, held.good.size, request.claim)
