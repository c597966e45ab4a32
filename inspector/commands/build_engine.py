"""`inspector bundle build-engine`: TensorRT engines for the stations' GPUs, built on a machine that has none."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from inspector.bundle import Bundle, Precision, load_bundle
from inspector.errors import UserError
from inspector.runtimes.trt.engines import (
    LEAST_INT8,
    EngineProof,
    HalfLayers,
    Order,
    best_batch,
    build_for,
    engine_path,
    engines_home,
    store,
    with_float_size,
)
from inspector.runtimes.trt.library import Library, load_library


def add_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--target", default="sm86,sm89", metavar="SM,...", help="GPU architectures, e.g. sm86,sm89,sm120")
    verb.add_argument("--precision", choices=("trt-int8", "float"), default="trt-int8", help="which of its graphs")
    verb.add_argument("--half", action="store_true", help="float layers compute in half where golden samples allow it")
    verb.add_argument("--largest-batch", type=int, default=8, metavar="N", help="most pictures in one run")
    verb.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder of engines; default: beside it")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not 1 <= args.largest_batch <= 4096:
        raise UserError(f"--largest-batch {args.largest_batch}: expected 1 to 4096")
    bundle, library = load_bundle(args.bundle), load_library("tensorrt-rtx")
    home = args.out or engines_home(bundle.path)
    half = _half(bundle, args.precision) if args.half else None
    best = best_batch(bundle, args.largest_batch)
    for target in _targets(args.target, library):
        order = Order(args.precision, target, best, args.largest_batch, half)
        engine, proof = build_for(bundle, order, library)
        proof = with_float_size(proof, bundle, library)
        path = engine_path(home, bundle.id, order, library)
        store(path, engine, proof)
        _tell(path, proof)
    return 0


def _half(bundle: Bundle, precision: Precision) -> HalfLayers:
    if precision == "float":
        raise UserError("--half: of a quantised graph's float layers; expected --precision trt-int8")
    if find_spec("onnx") is None:
        raise UserError("--half rewrites the graph and needs onnx: pip install 'open-inspector[training]'")
    from inspector.halving import choose_half

    return choose_half(bundle, precision)


def _targets(text: str, library: Library) -> list[str]:
    targets = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = [target for target in targets if target not in library.targets]
    if unknown or not targets:
        wrong = ", ".join(unknown) or "nothing"
        raise UserError(f"--target {text!r}: {library.name} knows {', '.join(library.targets)}, not {wrong}")
    return targets


def _tell(path: Path, proof: EngineProof) -> None:
    share = f"{100 * proof.int8_share:.1f} % of {proof.macs / 1e6:.0f} M multiply-accumulates in int8"
    print(f"{path}\n  {proof.engine_bytes / 1e6:.1f} MB in {proof.seconds:.1f} s; {share}")
    if proof.size_ratio and proof.float_engine_bytes:
        print(f"  {proof.size_ratio:.2f} of the float engine's {proof.float_engine_bytes / 1e6:.1f} MB")
    if proof.packed_ratio and proof.float_packed_bytes:
        of_float = f"{proof.packed_ratio:.2f} of the float engine's {proof.float_packed_bytes / 1e6:.1f} MB"
        print(f"  as it is kept: {proof.packed_bytes / 1e6:.1f} MB, {of_float}")
    if proof.half_layers:
        moved = f"golden samples move by {proof.half_difference:.4f} at most"
        print(f"  in half: {', '.join(proof.half_layers)} ({moved})")
    for layer in proof.float_layers if proof.precision != "float" else ():
        print(f"  float: {layer.name} ({100 * layer.macs / proof.macs:.1f} %): {layer.reason}")
    if proof.precision == "trt-int8" and proof.int8_share < LEAST_INT8:
        print(f"  warning: less than {100 * LEAST_INT8:.0f} % in int8")
