"""`inspector enrol`: teach a bundle a variant by a few pictures, without training."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inspector.bundle import load_bundle
from inspector.documents import read_bytes
from inspector.enrolment import Enrolment, Reference, load_enrolment, require_fit, seal
from inspector.errors import EnrolmentError, UnreadableImage
from inspector.heads.embed import EmbedHead
from inspector.matching import similarities, variant_probabilities
from inspector.model import Model, load_model
from inspector.preprocess import decode_image, preprocess
from inspector.recipe import Recipe, load_recipe

HELP = "teach an embedding bundle a variant by a few pictures of it, without training"
DIGITS = 6
"""Decimals kept of an embedding: far below what int8 can tell apart."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle of task embed, or a folder of bundles")
    parser.add_argument("--variant", required=True, metavar="NAME", help="what the pictures show")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="its references; three or more are best")
    parser.add_argument(
        "--out", type=Path, default=Path("enrolment.json"), metavar="FILE", help="made, or gets one variant more"
    )
    parser.add_argument("--recipe", type=Path, default=None, help="recipe (TOML) whose precision and region hold")
    parser.add_argument("--replace", action="store_true", help="if the variant is enrolled, put these in its place")


def run(args: argparse.Namespace) -> int:
    recipe = load_recipe(args.recipe) if args.recipe else Recipe()
    bundle = load_bundle(args.bundle)
    model = load_model(bundle, recipe.precision, recipe.runtime)
    if not isinstance(model.head, EmbedHead):
        raise EnrolmentError(f"{bundle.path}: task is {bundle.manifest.task}; expected a bundle of task embed")
    references = tuple(_reference(path, model, recipe, model.head) for path in args.images)
    before = load_enrolment(args.out) if args.out.exists() else None
    if before is None:
        enrolment = Enrolment(
            bundle=bundle.id, precision=recipe.precision, roi=recipe.roi, variants={args.variant: references}
        )
    else:
        require_fit(args.out, before, bundle, recipe.precision, recipe.roi)
        if args.variant in before.variants and not args.replace:
            raise EnrolmentError(f"{args.out}: {args.variant!r} is enrolled already; give --replace to enrol it anew")
        enrolment = before.enrol(args.variant, references)
    _write(args.out, enrolment)
    print(f"{args.out}: {', '.join(f'{name} ({len(rows)})' for name, rows in enrolment.variants.items())}")
    print("\n".join(_remarks(model.head, enrolment, args.variant)))
    return 0


def _reference(path: Path, model: Model, recipe: Recipe, head: EmbedHead) -> Reference:
    encoded = read_bytes(path, UnreadableImage)
    picture = preprocess(decode_image(encoded, str(path)), head.manifest.input, recipe.roi)
    embedding = tuple(round(value, DIGITS) for value in model.predict([picture])[0].scores)
    digest = hashlib.sha256(encoded).hexdigest()
    return Reference(source=path.name, picture_sha256=digest, embedding=embedding)


def _write(path: Path, enrolment: Enrolment) -> None:
    """Write whole or not at all: a station may read it at this moment."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(seal(enrolment))
        fresh.replace(path)
    except OSError as error:
        raise EnrolmentError(f"{path}: cannot be written ({error.strerror})") from error


def _remarks(head: EmbedHead, enrolment: Enrolment, variant: str) -> Sequence[str]:
    """Say how sure each reference is of its own variant, judged by the others, and which variant is nearest."""
    references = enrolment.references()
    mine = references[variant]
    remarks = []
    if len(mine) > 1:
        own = [_match(head, mine[i], np.delete(mine, i, axis=0)) for i in range(len(mine))]
        remarks.append(f"match of each reference with the others: least {min(own):.3f}, mean {np.mean(own):.3f}")
    others = {name: float(np.mean([_match(head, row, rows) for row in mine])) for name, rows in references.items()}
    del others[variant]
    if others:
        nearest = max(others, key=lambda name: others[name])
        remarks.append(f"nearest other variant: {nearest}, mean match {others[nearest]:.3f}")
    return remarks or ["one reference: how sure it is cannot be told"]


def _match(head: EmbedHead, embedding: np.ndarray, references: np.ndarray) -> float:
    similarity = similarities(embedding[None], {"": references})
    return float(variant_probabilities(similarity, head.platt)[0, 0])
