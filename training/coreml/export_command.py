"""`inspector bundle export-coreml`: a bundle's float network as a Core ML package, written on any machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from inspector.bundle import load_bundle
from training.coreml.library import load_coremltools, require_macos

HELP = "write a Core ML package for Apple's machines and prove it; --check runs the golden samples on macOS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle, or a folder of bundles (its latest)")
    parser.add_argument(
        "--compute",
        choices=("float16", "float32"),
        default="float16",
        help="arithmetic of the convolutions; the Neural Engine has float16 alone",
    )
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder of packages; default: beside it")
    parser.add_argument("--check", action="store_true", help="run the golden samples too, on macOS alone")


def run(args: argparse.Namespace) -> int:
    if args.check:
        require_macos()
    load_coremltools()
    from training.coreml.export import export_package, packages_home
    from training.coreml.golden_check import check_golden, load_predict

    bundle = load_bundle(args.bundle)
    path, proof = export_package(bundle, args.compute, args.out or packages_home(bundle.path))
    count = sum(proof.operations.values())
    print(f"{path}\n  {proof.package_bytes / 1e6:.1f} MB, {count} operations, {proof.half_operations} in float16")
    print(f"  {len(proof.nodes)} nodes of the network and all {proof.weights} weights of its layers are in it")
    if args.check:
        golden = check_golden(bundle, load_predict(path), tuple(port.name for port in proof.inputs))
        print(f"  golden samples: {golden.samples} of {golden.samples} as recorded; ", end="")
        print(f"largest difference of a probability {golden.largest_difference:.4f}")
    return 0
