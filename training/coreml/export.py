"""Core ML packages kept beside a bundle: `coreml/<bundle id>/<compute>.mlpackage`, each with its proof in JSON.

A bundle is immutable, so its own folder stays as it is.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import coremltools

from inspector.bundle import ID_DIGITS, Bundle
from inspector.errors import BundleError
from training.coreml.graph import read_graph
from training.coreml.program import Compute, compile_package, write_program
from training.coreml.proof import CoreMlProof, prove_package


def packages_home(bundle: Path) -> Path:
    """Return the folder of packages beside a bundle's own."""
    return bundle.resolve().parent / "coreml"


def package_path(home: Path, bundle_id: str, compute: Compute) -> Path:
    """Return where a package is kept below the folder `home`."""
    return home / bundle_id[:ID_DIGITS] / f"{compute}.mlpackage"


def export_package(bundle: Bundle, compute: Compute, home: Path) -> tuple[Path, CoreMlProof]:
    """Write the package of a bundle's float network with its proof; what stood there before is replaced.

    Raises:
        BundleError: a node that Core ML cannot say, a package that is not the network's, a folder that cannot be
            written.
    """
    model, path = bundle.model_path("float"), package_path(home, bundle.id, compute)
    graph = read_graph(model)
    try:
        written = write_program(graph)
    except BundleError as error:
        raise BundleError(f"{model}: {error}") from error
    scratch = path.with_name(f".new.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        compile_package(written, graph, compute, scratch)
        proof = CoreMlProof(
            bundle=bundle.id,
            model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
            compute=compute,
            library=f"coremltools {coremltools.__version__}",
            **prove_package(scratch, graph, model, written.accounts),
        )
        shutil.rmtree(path, ignore_errors=True)
        scratch.replace(path)
        path.with_name(f"{path.name}.json").write_text(proof.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise BundleError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path, proof
