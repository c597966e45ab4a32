"""Golden samples and challenge parts as further parts of the gate."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import Bundle, load_bundle, write_bundle
from inspector.cli import main
from inspector.errors import DatasetError, RuntimeFault
from inspector.inspection import Inspector
from inspector.preprocess import InputSpec
from inspector.recipe import Recipe
from inspector.values import Outcome
from tests.conftest import SIZE, brightness_network, bundle_files, manifest
from training.gate.evidence import KnownVerdict
from training.gate.known import Pair, judge_known

ANY_PICTURE = Recipe(quality={"min_focus": 0})


def bundle(folder: Path, bias: float, samples: dict[int, str] | None = None) -> Bundle:
    """A bundle with golden samples: grey level, and what such a part is."""
    files, listed = bundle_files(brightness_network(bias)), []
    for level, label in (samples or {}).items():
        picture = np.full((SIZE, SIZE, 3), level, np.uint8)
        files[f"golden/{level}.png"] = cv2.imencode(".png", picture)[1].tobytes()
        said = {"outcome": "REJECT", "label": label, "defect_probability": 0.5}
        listed.append({"file": f"{level}.png", "label": label, "expected": {"cpu-int8": said}})
    files["golden/golden.json"] = json.dumps(listed).encode()
    return load_bundle(write_bundle(folder, manifest(), files))


def pair(tmp_path: Path, candidate_bias: float, samples: dict[int, str] | None = None) -> Pair:
    candidate, serving = bundle(tmp_path / "new", candidate_bias), bundle(tmp_path / "old", 8.0, samples)
    return Pair(Inspector(candidate, ANY_PICTURE), Inspector(serving, ANY_PICTURE))


def challenge(folder: Path, level: int, **fields: object) -> Path:
    folder.mkdir()
    cv2.imwrite(str(folder / "one.png"), np.full((SIZE, SIZE, 3), level, np.uint8))
    part = {"path": "one.png", "code": "RR-1", "expected": "REJECT", **fields}
    (folder / "challenge.json").write_text(json.dumps([part]))
    return folder


def faults(known: tuple[KnownVerdict, ...]) -> list[str]:
    return [one.fault for one in known if one.fault]


def test_golden_samples_of_the_serving_bundle_are_judged_by_the_candidate(tmp_path: Path) -> None:
    samples = {20: "dark", 128: "good", 220: "good"}
    assert faults(judge_known(pair(tmp_path / "same", 9.0, samples), None)) == []
    blind = judge_known(pair(tmp_path / "blind", -9.0, samples), None)
    assert faults(blind) == [
        "golden part 20.png (dark): PASS, expected REJECT",
        "golden part 220.png (good): REJECT, expected PASS",
    ]


def test_what_the_serving_bundle_misses_too_is_no_reason(tmp_path: Path) -> None:
    known = judge_known(pair(tmp_path, 9.0, {220: "dark"}), None)
    assert [(one.candidate_met, one.serving_met, one.fault) for one in known] == [(False, False, "")]


def test_a_candidate_that_passes_a_challenge_part_is_refused_even_where_the_serving_bundle_does(tmp_path: Path) -> None:
    known = judge_known(pair(tmp_path, 9.0), challenge(tmp_path / "parts", 220))
    assert faults(known) == ["challenge part RR-1, to be REJECT, passes"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, []),
        ({"label": "dark"}, []),
        ({"label": "stain"}, []),  # the serving bundle calls it dark too
        ({"expected": "REVIEW"}, []),
        ({"expected": "PASS"}, []),
    ],
)
def test_a_challenge_part_that_both_judge_alike_and_stop_is_no_reason(
    fields: dict[str, object], fault: list[str], tmp_path: Path
) -> None:
    assert faults(judge_known(pair(tmp_path, 9.0), challenge(tmp_path / "parts", 20, **fields))) == fault


def test_a_challenge_part_that_only_the_candidate_misses_is_a_reason(tmp_path: Path) -> None:
    known = judge_known(pair(tmp_path, 1.0), challenge(tmp_path / "parts", 20))
    assert [one.candidate for one in known] == [Outcome.REVIEW]
    assert faults(known) == ["challenge part RR-1: REVIEW, expected REJECT"]


def test_a_list_of_challenge_parts_that_says_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"challenge.json: 0.expected: "):
        judge_known(pair(tmp_path, 9.0), challenge(tmp_path / "parts", 20, expected="MAYBE"))


def test_a_candidate_for_another_size_of_pictures_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.full((SIZE, SIZE, 3), 20, np.uint8))
    (folder / "index.csv").write_text("path,split,label,group\na.png,test,dark,g\n")
    serving = bundle(tmp_path / "old", 8.0).path
    other = manifest(input=InputSpec(height=SIZE, width=SIZE, fit="letterbox"))
    candidate = write_bundle(tmp_path / "new", other, bundle_files(brightness_network(9.0)))
    assert main(["retrain", "gate", str(candidate), str(serving), str(folder)]) == 1
    assert "refused: the candidate is for classify, " in capsys.readouterr().out


def test_a_candidate_whose_network_fails_on_a_golden_sample_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = pair(tmp_path, 9.0, {220: "good"})

    def fails(picture: Path) -> tuple[Outcome, float]:
        raise RuntimeFault("NaN")

    monkeypatch.setattr(both.candidate, "outcome_of_golden", fails)
    assert faults(judge_known(both, None)) == ["golden part 220.png (good): NOT_INSPECTED, expected PASS"]
