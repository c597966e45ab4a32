"""A delivery ends with a certificate on its validation parts, or with the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle
from inspector.certificate import load_certificate, standing
from inspector.cheapest import Costs
from inspector.dataset import read_dataset
from inspector.errors import CertificateError
from inspector.recipe import Recipe
from inspector.revision import PAGE, bundle_files
from inspector.samples import Dataset
from training.certifying import deliver_bundle, request_of, require_countable
from training.recipe import PolicyRecipe
from training.splits import Parts

SIZE = 32
WIDE = PolicyRecipe(escape=0.3, overkill=0.3, confidence=0.8)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Sixteen textured parts of either kind, each its own group."""
    rng = np.random.default_rng(0)
    rows = ["path,split,label,group"]
    for label, level in (("dark", 50), ("good", 200)):
        for number in range(16):
            image = np.clip(level + rng.normal(0, 12, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"{label}-{number}.png"), image)
            rows.append(f"{label}-{number}.png,val,{label},{label}-{number}")
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    return read_dataset(tmp_path, splits=("train", "val"))


@pytest.fixture
def deliver(bundle_path: Path, dataset: Dataset, tmp_path: Path) -> Callable[[PolicyRecipe], Bundle]:
    def write(policy: PolicyRecipe) -> Bundle:
        drafted = load_bundle(bundle_path)
        parts = Parts((), (), (), dataset.select("val"), "val of the index")
        files = bundle_files(drafted)
        return load_bundle(deliver_bundle(tmp_path / "out", drafted.manifest, files, dataset, parts, policy))

    return write


def test_a_delivery_whose_validation_parts_suffice_is_certified(deliver: Callable[..., Bundle]) -> None:
    bundle = deliver(WIDE)
    certificate = load_certificate(bundle)
    assert certificate is not None
    assert certificate.split == "val of the index"
    assert standing(bundle, Recipe()) == certificate.short()
    assert bundle.manifest.limits == certificate.policy
    assert bundle.manifest.lineage.parent is None


def test_a_delivery_with_too_few_keeps_its_aim_and_says_what_is_missing(
    deliver: Callable[..., Bundle], bundle_path: Path
) -> None:
    bundle = deliver(PolicyRecipe())
    assert load_certificate(bundle) is None
    assert bundle.manifest.limits == load_bundle(bundle_path).manifest.limits
    card = (bundle.path / "card.md").read_text()
    assert f"{PAGE}\n\nNone: certificate refused: 16 held (any defect), 299 without a miss needed (283 more)" in card


def test_an_embedding_is_not_certified_without_an_expected_variant(
    bundle_path: Path, dataset: Dataset, tmp_path: Path
) -> None:
    drafted = load_bundle(bundle_path)
    manifest = drafted.manifest.model_copy(update={"task": "embed"})
    parts = Parts((), (), (), dataset.select("val"), "val of the index")
    folder = deliver_bundle(tmp_path / "out", manifest, bundle_files(drafted), dataset, parts, WIDE)
    assert "which variant is expected" in (folder / "card.md").read_text()


@pytest.mark.parametrize("policy", [PolicyRecipe(escape=0), PolicyRecipe(overkill=0)])
def test_an_aim_of_none_at_all_cannot_be_proved(policy: PolicyRecipe) -> None:
    with pytest.raises(CertificateError, match="an escape or overkill of 0 cannot be proved"):
        request_of(policy)


def test_the_recipe_says_what_is_proved() -> None:
    costs = Costs(escape=100, overkill=10, review=1, defect_share=0.1)
    policy = PolicyRecipe(confidence=0.9, unit="part", per_kind=True, kinds={"dent": 0.1}, costs=costs)
    request = request_of(policy)
    assert (request.claim.confidence, request.claim.kinds) == (0.9, {"dent": 0.1})
    assert (request.unit, request.per_kind, request.costs) == ("part", True, costs)


def test_kinds_are_counted_before_any_picture_is_looked_at(dataset: Dataset) -> None:
    samples = dataset.select("val")
    is_defect = [sample.label != "good" for sample in samples]
    require_countable(samples, is_defect, request_of(WIDE))
    narrow = WIDE.model_copy(update={"kinds": {"dark": 0.05}})
    with pytest.raises(CertificateError, match=r"16 held \(dark\)"):
        require_countable(samples, is_defect, request_of(narrow))
    require_countable(samples, is_defect, request_of(WIDE.model_copy(update={"per_kind": True})))
