"""`inspector certify`: prove a bundle's escape and overkill on held parts, or say how many more are needed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import get_args

from rich.progress import Progress

from inspector.bundle import Precision, load_bundle
from inspector.certificate import Certificate
from inspector.certifying import Request, certify
from inspector.cheapest import Costs
from inspector.dataset import SPLITS, read_dataset
from inspector.documents import parse
from inspector.errors import CertificateError, UserError
from inspector.evaluation import judge
from inspector.figures import JudgedPart
from inspector.held import Unit
from inspector.inspection import Inspector
from inspector.labels import labelled_by
from inspector.limits import CertificateRefused, Claim
from inspector.recipe import Recipe, load_recipe
from inspector.revision import write_revision
from inspector.samples import Dataset

HELP = "prove escape and overkill on held parts, and choose the limits that keep them"
DESCRIPTION = """Prove on held parts, which the bundle has never seen, that at most so many defective parts pass and so
many good ones are rejected, and choose the limits that keep this at the least review (or cost). Where the parts are too
few nothing is certified, and you are told how many more are needed: 299 defective ones without a miss for 1 % at 95 %.
With --out, a revision of the bundle is written that carries the certificate and its limits; the bundle stays as it is.
Example: `inspector certify bundles parts --escape 0.01 --overkill 0.05 --split test --out bundles`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="labelled folder with the held parts")
    parser.add_argument("--escape", type=float, default=0.01, help="share of the defective parts that may pass")
    parser.add_argument("--overkill", type=float, default=0.05, help="share of the good parts that may be rejected")
    parser.add_argument("--confidence", type=float, default=0.95, help="with which all bounds hold at once")
    parser.add_argument("--split", choices=SPLITS, default="test", help="rows of the index that are held")
    parser.add_argument(
        "--unit",
        choices=get_args(Unit),
        default="group",
        help="what counts once: a group of pictures (its worst one speaks for it), or each picture; take `part` only "
        "if the pictures of a group are independent parts",
    )
    parser.add_argument("--per-class", action="store_true", help="hold --escape for every kind of defect by itself")
    parser.add_argument(
        "--class-escape",
        type=_kind_bound,
        action="append",
        default=argparse.SUPPRESS,
        metavar="KIND=SHARE",
        help="a bound for one kind of defect; may be given several times",
    )
    parser.add_argument(
        "--cost",
        type=_costs,
        default=None,
        metavar="E,O,R,D",
        help="choose by cost: of an escape, an overkill and a review, and the share of defects on the line",
    )
    parser.add_argument("--precision", choices=get_args(Precision), default=None, help="default: the recipe's")
    parser.add_argument("--recipe", type=Path, default=None, help="recipe (TOML) of the line")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="write the certified revision here")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the certificate, or the refusal")


def _kind_bound(words: str) -> tuple[str, float]:
    name, _, share = words.rpartition("=")
    try:
        return name.strip() or words, float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected KIND=SHARE, got {words!r}") from None


def _costs(words: str) -> Costs:
    names = tuple(Costs.model_fields)
    given = words.split(",")
    if len(given) != len(names):
        raise argparse.ArgumentTypeError(f"expected four numbers ({', '.join(names)}), got {words!r}")
    return parse("--cost", dict(zip(names, given, strict=True)), Costs, UserError)


def run(args: argparse.Namespace) -> int:
    request = _request(args)
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    if args.precision:
        recipe = recipe.model_copy(update={"precision": args.precision})
    inspector = Inspector(load_bundle(args.bundle), recipe)
    dataset = read_dataset(args.dataset, good=inspector.bundle.manifest.good or ("good",), splits=(args.split,))
    judged = _judged(inspector, dataset, args)
    try:
        certificate = certify(inspector, judged, dataset, args.split, request)
    except CertificateError as error:
        _write(args.json, _refusal(error))
        raise
    _write(args.json, {"certified": True, **certificate.model_dump(mode="json")})
    _print(certificate)
    if args.out:
        print(write_revision(args.out, inspector.bundle, certificate, inspector.bundle.id))
    return 0


def _request(args: argparse.Namespace) -> Request:
    said = {name: getattr(args, name) for name in ("escape", "overkill", "confidence")}
    claim = parse(
        "--escape, --overkill, --confidence",
        {**said, "kinds": dict(getattr(args, "class_escape", []))},
        Claim,
        UserError,
    )
    return Request(claim, args.unit, args.per_class, args.cost)


def _judged(inspector: Inspector, dataset: Dataset, args: argparse.Namespace) -> list[JudgedPart]:
    manifest = inspector.bundle.manifest
    samples = labelled_by(dataset.select(args.split), manifest.label_column, manifest.good)
    if not samples:
        raise UserError(f"{args.dataset}: no row of split {args.split!r}; expected held parts")
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("inspecting", total=len(samples))
        return judge(inspector, samples, lambda done: progress.update(bar, completed=done))


def _refusal(error: CertificateError) -> dict[str, object]:
    short = error.shortages if isinstance(error, CertificateRefused) else ()
    return {
        "certified": False,
        "reason": str(error),
        "shortages": [{name: getattr(one, name) for name in one.__slots__} for one in short],
    }


def _write(path: Path | None, content: dict[str, object]) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _print(certificate: Certificate) -> None:
    policy = certificate.policy
    print(f"bundle {certificate.bundle[:16]}, {certificate.precision}, {certificate.runtime}")
    print(f"PASS below {policy.pass_below:.6g}, REJECT from {policy.reject_above:.6g}, REVIEW between")
    for line in certificate.lines():
        print(line)
    print(f"held: {certificate.parts} parts in {certificate.groups} groups of {certificate.split}")
    print("void with: " + "; ".join(certificate.voided_by))
