"""The command line is a contract: exit status, one clear line for a mistake, figures that can be computed by hand."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.metadata import EntryPoint
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle import SUMS, load_bundle
from inspector.cli import GROUP, main

SIZE = 32
PARTS = {
    "dark": (20, 100, 120, 200),
    "good": (220, 240, 130, 60),
}
"""Grey levels: two of each kind well told, one doubtful, one told wrong."""
NO_FOCUS = "[quality]\nmin_focus = 0\n"


def probability(level: int) -> float:
    """What the brightness network must say of an even picture."""
    return 1 / (1 + math.exp(-8 * (1 - level / 128)))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    rows = ["path,split,label,group"]
    for label, levels in PARTS.items():
        for level in levels:
            cv2.imwrite(str(folder / f"{level}.png"), np.full((SIZE, SIZE, 3), level, np.uint8))
            rows.append(f"{level}.png,test,{label},{level}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(NO_FOCUS)
    return path


@pytest.fixture
def spoilt(bundle_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_path, tmp_path / "spoilt" / bundle_path.name))


Refusal = Callable[..., str]


@pytest.fixture
def refusal(capfd: pytest.CaptureFixture[str]) -> Refusal:
    """Run a command that must fail: status 2, one line on stderr (of native libraries too), no traceback."""

    def run(*words: object) -> str:
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = int(str(end.code))
        told = capfd.readouterr().err
        assert status == 2
        assert told.count("\n") == 1, told
        assert told.endswith("\n")
        assert "Traceback" not in told
        return told

    return run


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


# ---- evaluate


def test_evaluate_writes_figures_equal_to_those_by_hand(
    bundle_path: Path, dataset: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    assert main(["evaluate", str(bundle_path), str(dataset), "--recipe", str(recipe), "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    truth = [(probability(level), label) for label, levels in PARTS.items() for level in levels]
    right = {label: [(p > 0.5) is (label == "dark") for p, each in truth if each == label] for label in PARTS}
    assert [sum(hits) for hits in right.values()] == [3, 3]
    assert (figures["n"], figures["task"], figures["precision"]) == (8, "classify", "cpu-int8")
    assert figures["bundle"] == load_bundle(bundle_path).id
    assert figures["classes"] == ["good", "dark"]
    assert figures["confusion"] == [[3, 1], [1, 3]]
    assert figures["accuracy"] == figures["macro_f1"] == 0.75
    assert figures["auroc"] == 12 / 16
    assert figures["brier"] == pytest.approx(sum(2 * (p - (label == "dark")) ** 2 for p, label in truth) / 8, rel=1e-5)
    gaps = [abs(((p > 0.5) is (label == "dark")) - max(p, 1 - p)) for p, label in truth]
    assert figures["ece"] == pytest.approx(sum(gaps) / 8, rel=1e-5)
    for kind in ("escape", "overkill"):
        assert {key: figures[kind][key] for key in ("count", "n", "rate")} == {"count": 1, "n": 4, "rate": 0.25}
        assert figures[kind]["at_most"] == pytest.approx(0.7514, abs=1e-4), "beta.ppf(0.95, 2, 3)"
    assert figures["outcomes"] == {"PASS": 3, "REJECT": 3, "REVIEW": 2, "NOT_INSPECTED": 0}
    trust = figures["calibration"]
    squares = [(probability(level) - (label == "dark")) ** 2 for label, levels in PARTS.items() for level in levels]
    assert trust["brier"]["value"] == pytest.approx(sum(squares) / 8, rel=1e-5)
    assert trust["ece"]["low"] <= trust["ece"]["value"]
    assert (trust["n"], trust["n_defect"], trust["n_groups"], len(trust["bins"])) == (8, 4, 8, 8)
    assert figures["review_rate"] == 0.25
    assert figures["seconds_per_image"] > 0


def test_evaluate_writes_one_row_per_part_with_the_whole_probability(
    bundle_path: Path, dataset: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "parts.csv"
    assert main(["evaluate", str(bundle_path), str(dataset), "--recipe", str(recipe), "--parts", str(out)]) == 0
    with out.open(newline="") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream)}
    assert list(rows) == [f"{level}.png" for levels in PARTS.values() for level in levels]
    for label, levels in PARTS.items():
        for level in levels:
            row, p = rows[f"{level}.png"], probability(level)
            assert row["label"] == label
            assert row["outcome"] == ("REJECT" if p >= 0.8 else "PASS" if p < 0.2 else "REVIEW")
            assert row["predicted"] == ("dark" if p > 0.5 else "good")
            assert float(row["defect_probability"]) == pytest.approx(p, rel=1e-5)
            assert bool(row["reasons"]) is (row["outcome"] != "PASS")


def test_evaluate_counts_escapes_in_every_slice(
    bundle_path: Path, dataset: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    words = ["evaluate", str(bundle_path), str(dataset), "--recipe", str(recipe), "--json", str(out)]
    assert main([*words, "--slice", "label,group"]) == 0
    slices = json.loads(out.read_text())["slices"]
    assert [(row["value"], row["n"]) for row in slices["label"]] == [("dark", 4), ("good", 4)]
    assert [row["escape"] and row["escape"]["count"] for row in slices["label"]] == [1, None]
    assert sum(row["n"] for row in slices["group"]) == 8
    assert "by label" in capsys.readouterr().out


def test_evaluate_refuses_an_unknown_slice_before_it_inspects(
    bundle_path: Path, dataset: Path, refusal: Refusal
) -> None:
    told = refusal("evaluate", bundle_path, dataset, "--slice", "lamp")
    assert "--slice lamp: unknown to this data set; expected of label, group, size" in told


def test_evaluate_writes_a_report_for_people(bundle_path: Path, dataset: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    words = ["evaluate", str(bundle_path), str(dataset), "--recipe", str(recipe), "--slice", "label"]
    assert main([*words, "--html", str(out)]) == 0
    page = out.read_text()
    assert "1 of 4; at most 75.1 % (95 %)" in page
    assert "By label" in page


def test_evaluate_of_good_parts_alone_leaves_what_is_undefined_out(
    bundle_path: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = dataset / "index.csv"
    index.write_text("\n".join(row for row in index.read_text().splitlines() if ",dark," not in row) + "\n")
    out = tmp_path / "figures.json"
    assert main(["evaluate", str(bundle_path), str(dataset), "--precision", "float", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["auroc"] is figures["escape"] is figures["calibration"] is None
    assert figures["precision"] == "float"
    told = capsys.readouterr().out
    assert "auroc        undefined: one kind of part only" in told
    assert "escape       undefined: no defective parts" in told


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("20.png,exam,dark,1", "row 2: split: expected train, val or test, found 'exam'"),
        ("20.png,test,,1", "row 2: label: expected a name, found nothing"),
        ("gone.png,test,dark,1", "row 2: path: expected an existing file, found 'gone.png'"),
        ("20.png,test,purple,1", "label purple unknown to the bundle; expected good, dark"),
        ("20.png,train,dark,1", "no row of split 'test'"),
    ],
)
def test_a_bad_index_is_refused_by_row_and_field(
    bundle_path: Path, dataset: Path, refusal: Refusal, row: str, expected: str
) -> None:
    (dataset / "index.csv").write_text(f"path,split,label,group\n{row}\n")
    assert expected in refusal("evaluate", bundle_path, dataset)


def test_many_faults_of_an_index_are_still_one_line(bundle_path: Path, dataset: Path, refusal: Refusal) -> None:
    (dataset / "index.csv").write_text("path,split,label,group\n" + "gone.png,exam,,\n" * 3)
    told = refusal("evaluate", bundle_path, dataset)
    assert "row 2: split" in told
    assert "row 4: label" in told


def test_an_empty_folder_is_no_data_set(bundle_path: Path, tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "empty").mkdir()
    told = refusal("evaluate", bundle_path, tmp_path / "empty")
    assert f"{tmp_path / 'empty'}: expected a labelled folder, one of: index.csv" in told


def test_figures_that_cannot_be_written_are_printed_before_the_refusal(
    bundle_path: Path, dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "no" / "such" / "folder" / "figures.json"
    assert main(["evaluate", str(bundle_path), str(dataset), "--json", str(out)]) == 2
    told = capfd.readouterr()
    assert told.err == f"inspector: {out}: cannot be written (No such file or directory)\n"
    assert "accuracy     0.7500" in told.out


# ---- predict


def test_predict_prints_one_json_object_per_picture(
    bundle_path: Path, dataset: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(dataset / "20.png"), str(dataset / "240.png")]
    assert main(["predict", str(bundle_path), *paths, "--recipe", str(recipe), "--json"]) == 0
    dark, good = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (dark["path"], dark["outcome"], dark["label"]) == (paths[0], "REJECT", "dark")
    assert (good["path"], good["outcome"], good["label"]) == (paths[1], "PASS", "good")
    assert dark["defect_probability"] == pytest.approx(probability(20), rel=1e-5)
    assert dark["class_probabilities"]["dark"] == pytest.approx(probability(20), rel=1e-5)
    assert dark["bundle"] == load_bundle(bundle_path).id
    assert len(dark["reasons"]) == 1
    assert dark["p_value"] is None
    assert good["reasons"] == []


def test_predict_prints_a_line_for_a_person(
    bundle_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(bundle_path), str(dataset / "20.png")]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{dataset / '20.png'}: REVIEW dark, defect probability 0.99")
    assert told.endswith("(focus 0.0 below 1)\n")


def test_predict_says_why_a_picture_was_not_inspected(
    bundle_path: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "region.toml"
    recipe.write_text("roi = { x = 900, y = 0, width = 64, height = 64 }\n")
    words = ["predict", str(bundle_path), str(dataset / "20.png"), "--recipe", str(recipe)]
    assert main(words) == 0
    assert "NOT_INSPECTED (unreadable frame: " in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["defect_probability"], said["class_probabilities"]) == (None, {})


def test_a_picture_that_cannot_be_read_is_refused(bundle_path: Path, tmp_path: Path, refusal: Refusal) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "deep.png"), noise.astype(np.uint16) * 257)
    for name in ("cut.jpg", "cut.png", "flipped.png", "garbage.jpg"):
        cv2.imwrite(str(tmp_path / name), noise)
    cut(tmp_path / "cut.jpg")
    cut(tmp_path / "cut.png")
    flip(tmp_path / "flipped.png")
    (tmp_path / "garbage.jpg").write_bytes(b"\xff\xd8\xff\xe0" + noise.tobytes() + b"\xff\xd9")
    assert "deep.png: depth is uint16; expected 8 bits" in refusal("predict", bundle_path, tmp_path / "deep.png")
    for name in ("cut.jpg", "cut.png", "flipped.png"):
        assert f"{name}: truncated or altered" in refusal("predict", bundle_path, tmp_path / name)
    assert "garbage.jpg: not an image" in refusal("predict", bundle_path, tmp_path / "garbage.jpg")
    assert "gone.png: cannot be read" in refusal("predict", bundle_path, tmp_path / "gone.png")


# ---- bundle


def test_bundle_show_prints_id_classes_and_card(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "show", str(bundle_path)]) == 0
    told = capsys.readouterr().out
    assert load_bundle(bundle_path).id in told
    assert "classify; classes good, dark" in told
    assert "# brightness" in told


def test_bundle_verify_tests_both_precisions(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "verify", str(bundle_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "every file is the one that was written" in told[0]
    assert [line.split(" (")[0] for line in told[1:]] == [
        f"golden self-test at {precision}: 3 of 3 samples as recorded" for precision in ("float", "cpu-int8")
    ]


@pytest.mark.parametrize("words", [("bundle", "show"), ("bundle", "verify"), ("predict",), ("evaluate",)])
def test_every_command_refuses_a_bundle_that_is_missing_altered_or_truncated(
    spoilt: Path, tmp_path: Path, dataset: Path, refusal: Refusal, words: tuple[str, ...]
) -> None:
    more = {"predict": [dataset / "20.png"], "evaluate": [dataset]}.get(words[0], [])
    assert "no such bundle" in refusal(*words, tmp_path / "gone", *more)
    flip(spoilt / "model.onnx")
    assert "model.onnx has been altered or truncated" in refusal(*words, spoilt, *more)
    cut(spoilt / SUMS)
    assert "SHA256SUMS: truncated or altered" in refusal(*words, spoilt, *more)
    (spoilt / SUMS).unlink()
    assert "SHA256SUMS: cannot be read" in refusal(*words, spoilt, *more)


# ---- usage


def test_a_recipe_with_an_unknown_field_is_refused(
    bundle_path: Path, dataset: Path, recipe: Path, refusal: Refusal
) -> None:
    recipe.write_text("colour = 'red'\n[quality]\nmin_fokus = 2\n")
    told = refusal("evaluate", bundle_path, dataset, "--recipe", recipe)
    assert told == f"inspector: {recipe}: quality.min_fokus: unknown field; colour: unknown field\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate' (choose from"),
        (["evaluate"], "required: BUNDLE, DATASET; see `inspector evaluate --help`"),
        (["bundle"], "required: VERB"),
        (["station"], "required: VERB"),
        (["evaluate", "a", "b", "--split", "exam"], "argument --split: invalid choice: 'exam'"),
        (["--nope"], "unrecognized arguments: --nope"),
        (["train", "x", "--task", "guess", "--out", "y"], "argument --task: invalid choice: 'guess'"),
        (["station", "run", "gone.toml"], "gone.toml: cannot be read"),
    ],
)
def test_bad_usage_is_one_line(refusal: Refusal, words: list[str], expected: str) -> None:
    assert expected in refusal(*words)


HELP = {
    "demo": ("--parts", "--out", "--seed"),
    "train": ("DATASET", "--task", "--out", "--good", "--recipe", "--seed", "--minutes"),
    "evaluate": ("BUNDLE", "DATASET", "--split", "--precision", "--recipe", "--json", "--parts", "--slice", "--html"),
    "predict": ("BUNDLE", "IMAGE", "--recipe", "--json"),
    "bundle": ("show", "verify"),
    "bundle show": ("BUNDLE",),
    "bundle verify": ("BUNDLE",),
    "station": ("run", "check"),
    "station run": ("CONFIG", "--verbose"),
    "station check": ("CONFIG",),
    "label": ("tasks", "add", "import", "repeat"),
    "label add": ("PART", "LABEL", "--by", "--blind", "--correct", "--database"),
    "label import": ("FILE", "--by", "--blind", "--new", "--database"),
    "report": ("audit", "agreement"),
    "report audit": ("--database", "--config", "--since", "--recipe", "--html", "--csv", "--json", "--confidence"),
    "report agreement": ("--database", "--config", "--since", "--html", "--csv", "--json", "--reference"),
    "db": ("upgrade", "check"),
    "db upgrade": ("--database",),
    "db check": ("--database",),
}


@pytest.mark.parametrize("command", HELP)
def test_help_names_every_argument(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    for argument in HELP[command]:
        assert argument in told


def test_without_words_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out
    for command in HELP:
        assert command.split()[0] in told


def test_training_without_its_extra_says_which_one(
    dataset: Path, tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("training.classif", "training.fit", "torch"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    told = refusal("train", dataset, "--task", "classify", "--out", tmp_path / "out")
    assert told == "inspector: train needs torch: pip install 'open-inspector[training]'\n"


class NoTorch(MetaPathFinder):
    """A machine with the edge install."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")


def test_a_command_that_cannot_be_imported_says_what_it_needs(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = EntryPoint("absent", "training.absent_command", GROUP)
    monkeypatch.setattr("inspector.cli.entry_points", lambda group: [absent])
    told = refusal("absent", "whatever")
    assert told == "inspector: absent needs training.absent_command: pip install 'open-inspector[training]'\n"


def test_the_installed_command_behaves_like_main(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "inspector.cli", "bundle", "show", str(tmp_path / "gone")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("inspector: ")
    assert ended.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_fault(bundle_path: Path) -> None:
    command = f"{sys.executable} -m inspector.cli bundle show {bundle_path} | true"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr
