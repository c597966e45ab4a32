"""Bundles: a model with all that is needed to trust it, immutable and named by the hash of its content.

A bundle is a folder:

    SHA256SUMS              every other file with its SHA-256 (`sha256sum -c SHA256SUMS` checks it too)
    manifest.json           task, classes, input, limits, lineage, parity
    model.onnx              float network
    model.cpu-int8.onnx     quantised for processors; model.trt-int8.onnx for TensorRT (older bundles lack it)
    calibration.json        per precision
    certificate.json        what is proved of the limits (inspector.certificate); only where something is
    golden/                 golden.json and pictures of known truth for the self-test
    card.md                 for people
    sbom.json               what it was trained with, CycloneDX (training.sbom; older bundles lack it)
    signatures.json         who vouches for it (db.signatures); not in SHA256SUMS, since it is of that list

Its id is the SHA-256 of SHA256SUMS; the folder's name is the id's first 16 digits. One flipped byte anywhere, the
list itself included, is noticed: a hash no longer matches, or the name does not.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, RootModel, model_validator

from inspector.calibration import Calibration
from inspector.documents import Document, read_bytes, read_json
from inspector.errors import BundleError
from inspector.preprocess import InputSpec
from inspector.values import Outcome
from inspector.verdict import Policy

Precision = Literal["float", "cpu-int8", "trt-int8"]
Task = Literal["classify", "detect", "segment", "anomaly", "embed"]

SUMS = "SHA256SUMS"
SIGNATURES = "signatures.json"
LATEST = "LATEST"
ID_DIGITS = 16
MODEL_FILES: Mapping[Precision, str] = {
    "float": "model.onnx",
    "cpu-int8": "model.cpu-int8.onnx",
    "trt-int8": "model.trt-int8.onnx",
}
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


class Lineage(Document):
    """Where a bundle comes from."""

    dataset: str = Field(description="name of the data set's folder")
    dataset_hash: str = Field(description="SHA-256 over the index and the pictures")
    parent: str | None = Field(default=None, description="id of the bundle it was trained from")
    code_version: str
    seed: int
    created_at: datetime


class Parity(Document):
    """The exported networks against the trained one, on the same parts."""

    n: int = Field(ge=1, description="parts compared")
    float_max_difference: float = Field(ge=0, description="largest difference of a probability, torch to float ONNX")
    float_flips: int = Field(ge=0, description="decisions that differ, torch to float ONNX")
    int8_max_difference: float = Field(ge=0, description="largest difference of a probability, float to cpu-int8")
    int8_flips: int = Field(ge=0, description="decisions that differ, float to cpu-int8")
    int8_renamed: int | None = Field(
        default=None, ge=0, description="classify: decisions among them whose class differs; the others crossed a limit"
    )
    int8_rejects_passed: int = Field(default=0, ge=0, description="rejects of the float graph that cpu-int8 passes")
    trt_int8_max_difference: float | None = Field(default=None, ge=0, description="as above, float to trt-int8")
    trt_int8_flips: int | None = Field(default=None, ge=0, description="as above, float to trt-int8")
    trt_int8_rejects_passed: int | None = Field(default=None, ge=0, description="as above, float to trt-int8")


SENSITIVE = "sensitive"
"""How the reason begins of a layer that is kept in float because it lost most by quantisation."""


class KeptFloat(Document):
    """A layer with weights that a quantised graph computes in float."""

    precision: Precision
    node: str = Field(description="name of the node in the graph of that precision")
    reason: str


class Tiles(Document):
    """How a frame larger than the input is cut; neighbours share `overlap` pixels, so that no defect is cut twice."""

    width: int = Field(ge=32, le=8192, description="columns of a tile, frame px")
    height: int = Field(ge=32, le=8192, description="rows of a tile, frame px")
    overlap: int = Field(ge=0, le=4096, description="frame px that neighbours share; at least the largest defect")

    @model_validator(mode="after")
    def _moves_on(self) -> Tiles:
        if self.overlap >= min(self.width, self.height):
            raise ValueError(f"overlap {self.overlap} must be less than the tile's sides")
        return self


class Manifest(Document):
    """What a station must know before it loads a bundle."""

    format: Literal[1] = 1
    task: Task
    classes: tuple[str, ...] = Field(min_length=1, description="in the order of the network's outputs")
    good: tuple[str, ...] = Field(
        default=(), description="labels that mean a defect-free part; classes of a classifier"
    )
    several: bool = Field(default=False, description="a part may have several classes at once; good ones have none")
    label_column: str = Field(
        default="label", min_length=1, description="classify: column of a data set that holds what the network tells"
    )
    input: InputSpec
    template: bool = Field(default=False, description="input is (N, H, W, 6): the picture, then its golden template")
    tiles: Tiles | None = Field(default=None, description="unset: the whole region of interest is one picture")
    output_names: tuple[str, ...] = ("logits",)
    reading: dict[str, float] = Field(default_factory=dict, description="numbers with which the outputs are read")
    limits: Policy
    lineage: Lineage
    parity: Parity
    kept_float: tuple[KeptFloat, ...] = Field(
        default=(), description="layers with weights that are not int8, and why; older bundles do not say"
    )
    training: dict[str, float | int | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes must differ")
        if self.task == "classify" and not self.several and (unknown := set(self.good) - set(self.classes)):
            raise ValueError(f"good names {sorted(unknown)}, which are not among the classes")
        return self

    @property
    def good_columns(self) -> tuple[int, ...]:
        return tuple(i for i, name in enumerate(self.classes) if name in self.good)


class GoldenVerdict(Document):
    """What a self-test must find again."""

    outcome: Outcome
    label: str
    defect_probability: float = Field(ge=0, le=1)


class GoldenSample(Document):
    """A picture of known truth, and what each precision said of it when the bundle was made."""

    file: str = Field(description="name below golden/, a PNG")
    label: str
    expected: dict[Precision, GoldenVerdict]


class Golden(RootModel[tuple[GoldenSample, ...]]):
    """`golden/golden.json`."""


class Calibrations(RootModel[dict[Precision, Calibration]]):
    """`calibration.json`."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every byte has been checked."""

    id: str
    path: Path
    manifest: Manifest
    calibrations: Mapping[Precision, Calibration]
    golden: tuple[GoldenSample, ...]

    def calibration(self, precision: Precision) -> Calibration:
        if precision not in self.calibrations:
            raise BundleError(f"{self.path}: calibration.json: no calibration for precision {precision}")
        return self.calibrations[precision]

    def model_path(self, precision: Precision) -> Path:
        path = self.path / MODEL_FILES[precision]
        if not path.is_file():
            raise BundleError(f"{self.path}: no {MODEL_FILES[precision]}, so no precision {precision}")
        return path


def write_bundle(out: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a bundle below `out` and return its folder; it appears whole or not at all.

    `files` maps paths within the bundle to content; manifest.json and SHA256SUMS are added. `out/LATEST` then holds
    the folder's name, so that `out` itself can be given wherever a bundle is asked for.

    Raises:
        BundleError: `out` cannot be written; what stood there before still stands.
    """
    content = {**files, "manifest.json": (manifest.model_dump_json(indent=2) + "\n").encode()}
    sums = "".join(f"{hashlib.sha256(content[name]).hexdigest()}  {name}\n" for name in sorted(content)).encode()
    name = hashlib.sha256(sums).hexdigest()[:ID_DIGITS]
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / name).exists():
            _place(out, name, {**content, SUMS: sums})
        latest = out / f".{LATEST}.{os.getpid()}"
        latest.write_text(name + "\n")
        latest.replace(out / LATEST)
    except OSError as error:
        raise BundleError(f"{out / name}: bundle cannot be written ({error.strerror})") from error
    return out / name


def _place(out: Path, name: str, content: Mapping[str, bytes]) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".bundle-", dir=out))
    try:
        scratch.chmod(0o755)
        for file, value in content.items():
            target = scratch / file
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                stream.write(value)
                stream.flush()
                os.fsync(stream.fileno())
        scratch.replace(out / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def load_bundle(path: Path) -> Bundle:
    """Read and verify a bundle, or the latest one in a folder of bundles.

    Raises:
        BundleError: missing, truncated, altered, renamed to another id, or with a document that is not valid.
    """
    path = _resolve(path)
    sums = read_bytes(path / SUMS, BundleError)
    _verify(path, sums)
    manifest = read_json(path / "manifest.json", Manifest, BundleError)
    calibrations = read_json(path / "calibration.json", Calibrations, BundleError)
    golden = read_json(path / "golden" / "golden.json", Golden, BundleError)
    return Bundle(hashlib.sha256(sums).hexdigest(), path, manifest, calibrations.root, golden.root)


def _resolve(path: Path) -> Path:
    if not path.is_dir():
        raise BundleError(f"{path}: no such bundle; expected a folder with {SUMS}, or one with {LATEST}")
    if (path / SUMS).is_file() or not (path / LATEST).is_file():
        return path
    name = (path / LATEST).read_text(errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{16}", name):
        raise BundleError(f"{path / LATEST}: {name[:40]!r} is no bundle's name; expected {ID_DIGITS} hex digits")
    return path / name


def _verify(path: Path, sums: bytes) -> None:
    digests = _parse_sums(path, sums)
    found = {str(PurePosixPath(file.relative_to(path))) for file in path.rglob("*") if file.is_file()} - {
        SUMS,
        SIGNATURES,
    }
    if missing := sorted(set(digests) - found):
        raise BundleError(f"{path}: {missing[0]} is missing")
    if extra := sorted(found - set(digests)):
        raise BundleError(f"{path}: {extra[0]} is not listed in {SUMS}")
    for name, digest in digests.items():
        if hashlib.sha256(read_bytes(path / name, BundleError)).hexdigest() != digest:
            raise BundleError(f"{path}: {name} has been altered or truncated (its SHA-256 is not the one in {SUMS})")
    identity = hashlib.sha256(sums).hexdigest()[:ID_DIGITS]
    if re.fullmatch(r"[0-9a-f]{16}", path.resolve().name) and path.resolve().name != identity:
        raise BundleError(f"{path}: content is bundle {identity}, not the one that the folder is named after")


def _parse_sums(path: Path, sums: bytes) -> dict[str, str]:
    lines = sums.decode(errors="replace").split("\n")
    matches = [_LINE.fullmatch(line) for line in lines[:-1]]
    if lines[-1] or not matches or None in matches:
        raise BundleError(f"{path / SUMS}: truncated or altered; expected lines of `<64 hex digits>  <file>`")
    return {match[2]: match[1] for match in matches if match}
