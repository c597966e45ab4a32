"""A certificate from end to end: held pictures, the line's own inspection, the document, the revision, the refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from inspector.bundle import Bundle, load_bundle, write_bundle
from inspector.certificate import (
    CERTIFICATE,
    Certificate,
    is_certified,
    load_certificate,
    require_certified,
    require_fit,
    standing,
)
from inspector.certifying import Request, certify, held_parts
from inspector.cheapest import Costs
from inspector.cli import main
from inspector.dataset import read_dataset
from inspector.errors import CertificateError
from inspector.evaluation import judge
from inspector.held import BEYOND
from inspector.inspection import Inspector
from inspector.limits import ANY, GOOD, Claim, Reach
from inspector.recipe import Recipe
from inspector.revision import PAGE, bundle_files, outcome_of, write_refusal, write_revision
from inspector.values import Outcome
from inspector.verdict import Policy

SIZE = 32
EASY = Recipe(quality={"min_focus": 0})
CLAIM = Claim(escape=0.2, overkill=0.2, confidence=0.8)
LOOSE = Claim(escape=0.3, overkill=0.3, confidence=0.8)
NO_FOCUS = "[quality]\nmin_focus = 0\n"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty dark parts and twenty bright ones, told apart but for one of each; two pictures a group."""
    folder = tmp_path_factory.mktemp("held")
    rows = ["path,split,label,group"]
    for label, levels in (("dark", [*range(20, 96, 4), 132]), ("good", [*range(160, 236, 4), 124])):
        for number, level in enumerate(levels):
            name = f"{label}-{number}.png"
            cv2.imwrite(str(folder / name), np.full((SIZE, SIZE, 3), level, np.uint8))
            rows.append(f"{name},test,{label},{label}-{number // 2}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


def certified(bundle: Path, dataset: Path, request: Request | None = None, recipe: Recipe = EASY) -> Certificate:
    inspector = Inspector(load_bundle(bundle), recipe)
    held = read_dataset(dataset, splits=("test",))
    judged = judge(inspector, held.select("test"), lambda _: None)
    return certify(inspector, judged, held, "test", request or Request(CLAIM, unit="part"))


@pytest.fixture
def revision(bundle_path: Path, dataset: Path, tmp_path: Path) -> Bundle:
    certificate = certified(bundle_path, dataset)
    bundle = load_bundle(bundle_path)
    return load_bundle(write_revision(tmp_path / "out", bundle, certificate, bundle.id))


def test_a_certificate_says_what_was_proved_of_what(bundle_path: Path, dataset: Path) -> None:
    certificate = certified(bundle_path, dataset)
    escape, overkill = certificate.rates
    assert (escape.name, escape.n, escape.at_most) == (ANY, 20, 0.2)
    assert (overkill.name, overkill.n, overkill.at_most) == (GOOD, 20, 0.2)
    assert escape.misses <= escape.allowed
    assert overkill.misses <= overkill.allowed
    assert (certificate.parts, certificate.groups) == (40, 20)
    assert certificate.bundle == load_bundle(bundle_path).id
    assert certificate.dataset_hash == read_dataset(dataset, splits=("test",)).content_hash
    assert certificate.precision == "cpu-int8"
    assert certificate.runtime == "onnxruntime"
    assert certificate.lines()[0].endswith("of 20 parts; certified: at most 20 % (80 %)")
    assert certificate.policy.origin == certificate.short()
    assert "certified at 80 %: escape at most 20 %, overkill at most 20 %" in certificate.short()


def test_a_group_counts_once(bundle_path: Path, dataset: Path) -> None:
    by_group = certified(bundle_path, dataset, Request(LOOSE))
    assert [rate.n for rate in by_group.rates] == [10, 10]
    assert "of 10 groups" in by_group.lines()[0]


def test_every_kind_has_its_own_bound_where_asked_for(bundle_path: Path, dataset: Path) -> None:
    every = certified(bundle_path, dataset, Request(CLAIM, unit="part", per_kind=True))
    assert [rate.name for rate in every.rates] == [ANY, "dark", GOOD]
    one = CLAIM.model_copy(update={"kinds": {"dark": 0.3}})
    assert certified(bundle_path, dataset, Request(one, unit="part")).rates[1].at_most == 0.3


def test_a_kind_that_is_not_held_is_refused(bundle_path: Path, dataset: Path) -> None:
    claim = CLAIM.model_copy(update={"kinds": {"crack": 0.3}})
    with pytest.raises(CertificateError, match="no held part of kind crack; expected some of dark"):
        certified(bundle_path, dataset, Request(claim))


def test_costs_are_shown_per_thousand_parts(bundle_path: Path, dataset: Path) -> None:
    costs = Costs(escape=100, overkill=10, review=1, defect_share=0.05)
    found = certified(bundle_path, dataset, Request(CLAIM, unit="part", costs=costs))
    assert found.cost_per_1000 is not None
    assert found.lines()[-1] == f"expected cost of 1,000 parts: {found.cost_per_1000:.6g}"


def test_a_certificate_survives_its_file(bundle_path: Path, dataset: Path) -> None:
    certificate = certified(bundle_path, dataset)
    assert Certificate.model_validate_json(certificate.model_dump_json()) == certificate


@pytest.mark.parametrize("name", [ANY, GOOD])
def test_a_kind_may_not_be_called_like_a_rate(bundle_path: Path, dataset: Path, name: str) -> None:
    inspector = Inspector(load_bundle(bundle_path), EASY)
    held = read_dataset(dataset, splits=("test",))
    judged = judge(inspector, held.select("test"), lambda _: None)
    renamed = [replace(part, sample=replace(part.sample, label=name)) if part.is_defect else part for part in judged]
    with pytest.raises(CertificateError, match=f"a kind of defect is called '{name}'"):
        certify(inspector, renamed, held, "test", Request(CLAIM))


def test_what_no_limit_can_change_is_held_so(bundle_path: Path, dataset: Path) -> None:
    """A rule's reject is a reject at any limit; a stranger never passes, but might be rejected."""
    inspector = Inspector(load_bundle(bundle_path), EASY)
    held = read_dataset(dataset, splits=("test",))
    good = [part for part in judge(inspector, held.select("test"), lambda _: None) if not part.is_defect][:4]
    policy = Policy(pass_below=0.9, reject_above=0.95)
    clear, ruled, reviewed, stranger = good
    parts = held_parts(
        [
            clear,
            replace(ruled, verdict=replace(ruled.verdict, outcome=Outcome.REJECT)),
            replace(reviewed, verdict=replace(reviewed.verdict, outcome=Outcome.REVIEW)),
            replace(stranger, prediction=replace(stranger.prediction, novelty=0.99)),
        ],
        policy,
    )
    p = [part.verdict.defect_probability for part in good]
    assert parts.pass_scores.tolist() == [p[0], BEYOND, BEYOND, BEYOND]
    assert parts.reject_scores.tolist() == [p[0], BEYOND, p[2], p[3]]
    assert parts.reviewed(Reach(0.9, 0.95)).tolist() == [False, False, True, True]


def test_the_revision_judges_by_the_proved_limits_and_names_its_parent(revision: Bundle, bundle_path: Path) -> None:
    before = load_bundle(bundle_path)
    certificate = load_certificate(revision)
    assert certificate is not None
    assert revision.id != before.id
    assert revision.manifest.lineage.parent == before.id
    assert revision.manifest.limits == certificate.policy
    assert Inspector(revision, EASY).self_test() == len(before.golden)
    assert PAGE in (revision.path / "card.md").read_text()
    assert "What voids it" in (revision.path / "card.md").read_text()
    assert load_certificate(before) is None
    assert standing(revision, EASY) == certificate.short()
    assert (is_certified(revision, EASY), is_certified(before, EASY)) == (True, False)
    assert standing(before, EASY).startswith(f"not certified: {before.path}: the bundle carries no certificate")
    with pytest.raises(CertificateError, match="make one with `inspector certify`"):
        require_certified(before, EASY)


def test_a_second_revision_has_one_page_and_one_certificate(revision: Bundle, dataset: Path, tmp_path: Path) -> None:
    certificate = certified(revision.path, dataset, Request(LOOSE))
    again = load_bundle(write_revision(tmp_path / "again", revision, certificate, revision.id))
    assert (again.path / "card.md").read_text().count(PAGE) == 1
    assert standing(again, EASY) == certificate.short()


def test_a_refused_bundle_says_so_in_its_card(bundle_path: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    written = load_bundle(write_refusal(tmp_path, bundle, "too few parts"))
    assert f"{PAGE}\n\nNone: too few parts.\n" in (written.path / "card.md").read_text()
    assert load_certificate(written) is None


def test_a_bundle_without_a_card_gets_one(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    files = {name: content for name, content in bundle_files(bundle).items() if name != "card.md"}
    plain = load_bundle(write_bundle(tmp_path / "plain", bundle.manifest, files))
    card = write_revision(tmp_path / "out", plain, certified(bundle_path, dataset), None) / "card.md"
    assert card.read_text().strip().startswith(PAGE)
    assert "None" in (write_refusal(tmp_path / "refused", plain, "x") / "card.md").read_text()


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.1, Outcome.PASS), (0.2, Outcome.REVIEW), (0.79, Outcome.REVIEW), (0.8, Outcome.REJECT)],
)
def test_golden_samples_are_decided_anew_as_the_line_does(probability: float, expected: Outcome) -> None:
    assert outcome_of(probability, Policy(pass_below=0.2, reject_above=0.8)) is expected


def test_a_golden_stranger_stays_one(bundle_path: Path, dataset: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    files = bundle_files(bundle)
    golden = json.loads(files["golden/golden.json"])
    golden[0]["expected"]["cpu-int8"]["outcome"] = "REVIEW"
    files["golden/golden.json"] = json.dumps(golden).encode()
    changed = load_bundle(write_bundle(tmp_path / "changed", bundle.manifest, files))
    revised = load_bundle(write_revision(tmp_path / "out", changed, certified(bundle_path, dataset), changed.id))
    assert revised.golden[0].expected["cpu-int8"].outcome is Outcome.REVIEW
    assert revised.golden[0].expected["float"].outcome is Outcome.REJECT


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        ({"precision": "float"}, "precision: certified at cpu-int8, used at float"),
        ({"runtime": {"kind": "openvino"}}, "runtime: certified on onnxruntime, used on openvino"),
        ({"quality": {"min_focus": 2}}, "recipe: certified with another quality than the recipe's"),
        ({"mm_per_px": 0.1}, "recipe: certified with another mm_per_px than the recipe's"),
        ({"roi": {"x": 0, "y": 0, "width": 16, "height": 16}}, "recipe: certified with another roi"),
        ({"policy": {"pass_below": 0.01, "reject_above": 0.9}}, "policy.pass_below: certified at"),
    ],
)
def test_a_certificate_is_refused_with_another_use(revision: Bundle, recipe: dict[str, object], fault: str) -> None:
    used = Recipe.model_validate({**EASY.model_dump(), **recipe})
    certificate = load_certificate(revision)
    assert certificate is not None
    with pytest.raises(CertificateError) as refusal:
        require_fit(certificate, revision, used)
    assert fault in str(refusal.value)
    assert standing(revision, used) == f"not certified: {refusal.value}"


@pytest.mark.parametrize("field", ["reject_above", "review_novelty"])
def test_every_limit_must_be_the_proved_one(revision: Bundle, field: str) -> None:
    policy = revision.manifest.limits.model_copy(update={field: 0.999})
    certificate = load_certificate(revision)
    assert certificate is not None
    with pytest.raises(CertificateError, match=f"policy.{field}: certified at .* used at 0.999"):
        require_fit(certificate, revision, EASY.model_copy(update={"policy": policy}))


def test_another_bundle_cannot_carry_it(revision: Bundle, tmp_path: Path) -> None:
    files = bundle_files(revision)
    calibrations = json.loads(files["calibration.json"])
    calibrations["cpu-int8"]["platt"]["slope"] = 1.5
    files["calibration.json"] = json.dumps(calibrations).encode()
    files[CERTIFICATE] = (revision.path / CERTIFICATE).read_bytes()
    other = load_bundle(write_bundle(tmp_path / "other", revision.manifest, files))
    certificate = load_certificate(other)
    assert certificate is not None
    with pytest.raises(CertificateError, match=r"bundle: certified for bundle .* whose network or calibration"):
        require_fit(certificate, other, EASY)


def test_name_and_automatic_runtime_of_a_recipe_do_not_matter(revision: Bundle) -> None:
    named = Recipe.model_validate({**EASY.model_dump(), "name": "other", "runtime": {"kind": "auto"}})
    assert standing(revision, named).startswith("certified")


def test_a_certificate_with_a_wrong_field_is_one_clear_line(revision: Bundle, tmp_path: Path) -> None:
    files = bundle_files(revision)
    files[CERTIFICATE] = b'{"format": 1}'
    other = load_bundle(write_bundle(tmp_path / "other", revision.manifest, files))
    with pytest.raises(CertificateError, match=r"certificate\.json: claim: missing"):
        load_certificate(other)


@pytest.mark.parametrize("field", ["escape", "overkill", "confidence"])
@pytest.mark.parametrize("value", [0, 1, float("nan")])
def test_a_claim_that_says_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Claim.model_validate({field: value})


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(NO_FOCUS)
    return path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], bundle_path: Path, dataset: Path, recipe_file: Path) -> Callable[..., str]:
    def run(status: int, *words: str, bundle: Path = bundle_path, parts: Path = dataset) -> str:
        line = ["certify", str(bundle), str(parts), "--recipe", str(recipe_file), *words]
        assert main(line) == status
        said = capsys.readouterr()
        return said.out if status == 0 else said.err

    return run


EASY_WORDS = ("--escape", "0.2", "--overkill", "0.2", "--confidence", "0.8", "--unit", "part")


def test_certify_prints_the_proof_and_writes_the_revision(told: Callable[..., str], tmp_path: Path) -> None:
    said = told(0, *EASY_WORDS, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "c.json"))
    assert "any defect passed: " in said
    assert "void with: another bundle" in said
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["certified"] is True
    revised = load_bundle(tmp_path / "out")
    assert said.strip().endswith(str(revised.path))
    assert json.loads((revised.path / CERTIFICATE).read_text())["claim"] == written["claim"]


def test_certify_refuses_in_one_line_and_says_what_is_missing(told: Callable[..., str], tmp_path: Path) -> None:
    said = told(2, "--json", str(tmp_path / "c.json"))
    assert said.count("\n") == 1
    assert "10 held (any defect), 299 without a miss needed (289 more)" in said
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["certified"] is False
    assert written["shortages"][0]["needed"] == 299


def test_certify_takes_bounds_of_kinds_and_costs(told: Callable[..., str]) -> None:
    words = ("--class-escape", "dark=0.3", "--cost", "100,10,1,0.05", "--precision", "float")
    said = told(0, *EASY_WORDS, *words)
    assert "dark passed: " in said
    assert "certified: at most 30 %" in said
    assert "expected cost of 1,000 parts" in said
    assert ", float, onnxruntime" in said
    assert "dark passed: " in told(0, *EASY_WORDS, "--per-class")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--escape", "1"), "--escape, --overkill, --confidence: escape: input should be less than 1"),
        (("--confidence", "0.1"), "confidence: input should be greater than or equal to 0.5"),
        (("--class-escape", "dark=0"), "kinds.dark: input should be greater than 0"),
        (("--split", "val"), "no row of split 'val'"),
        (("--cost", "1,2,3,4"), "--cost: defect_share: input should be less than 1"),
        ((*EASY_WORDS, "--json", "/nowhere/c.json"), "/nowhere/c.json: cannot be written"),
    ],
)
def test_bad_usage_of_certify_is_one_line(told: Callable[..., str], words: tuple[str, ...], fault: str) -> None:
    said = told(2, *words)
    assert fault in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "fault"),
    [(("--cost", "1,2"), "expected four numbers"), (("--class-escape", "crack"), "expected KIND=SHARE, got 'crack'")],
)
def test_words_that_cannot_be_read_are_refused(
    capsys: pytest.CaptureFixture[str], bundle_path: Path, dataset: Path, words: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(SystemExit):
        main(["certify", str(bundle_path), str(dataset), *words])
    assert fault in capsys.readouterr().err


def test_one_kind_of_part_alone_certifies_nothing(told: Callable[..., str], dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    shutil.copytree(dataset, folder)
    rows = (folder / "index.csv").read_text().splitlines()
    (folder / "index.csv").write_text("\n".join(row for row in rows if ",dark," not in row) + "\n")
    assert "no defective (any defect) part" in told(2, *EASY_WORDS, parts=folder)
    (folder / "index.csv").write_text("\n".join(row for row in rows if ",good," not in row) + "\n")
    assert "no good part" in told(2, *EASY_WORDS, parts=folder)
