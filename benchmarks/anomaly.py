"""Our anomaly detector against anomalib's PatchCore: same backbone, same good parts, same validation parts.

python -m benchmarks.anomaly DATASET --json FILE
python -m benchmarks.anomaly DATASET --bundle BUNDLE --coreset-share 0.005

Ours is a bank learnt here, or a bundle's int8 graph, whatever it learnt from. Times run from the decoded frame to score
and map, one picture at a time, both in turns on the same number of threads: ours is the int8 graph behind `preprocess`
and its head's runtime, anomalib's its own model in torch behind its own antialiased resize. Where to choose its usual
tenth of all places would take hours, it is judged by a smaller bank and timed with both: times do not depend on what a
bank holds, so the usual one is filled with noise.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import report
from inspector import metrics
from inspector.bundle import MODEL_FILES, Bundle, load_bundle
from inspector.dataset import read_dataset
from inspector.errors import UserError
from inspector.figures.pixels import aupro
from inspector.preprocess import InputSpec, heat_to_frame, placement, preprocess, read_image
from inspector.runtimes import RuntimeSettings, load_runtime
from inspector.samples import Sample
from inspector.truth import has_mask, read_mask
from inspector.values import Image
from training.anomaly.anomalib_engine import fit
from training.anomaly.material import Material, load_material
from training.anomaly.recipe import AnomalibRecipe, AnomalyRecipe
from training.anomaly.spoil import with_spoilt
from training.anomaly.task import OUTPUTS, best_bank, float_nodes
from training.conversion import convert
from training.export import export_onnx
from training.quantise import spread
from training.recipe import InputRecipe

Judge = Callable[[Image], tuple[float, NDArray[np.float32]]]
"""From a decoded frame to its score and its map."""
LOOKS = 60
USUAL_SHARE = 0.1
"""Anomalib's own default."""


@dataclass(frozen=True, slots=True)
class Measured:
    image_auroc: float
    aupro: float | None


def main() -> None:
    parser = report.arguments("anomaly detection against anomalib's PatchCore")
    parser.add_argument("dataset", type=Path, help="labelled folder with good parts in train, and a val split")
    parser.add_argument("--bundle", type=Path, help="judge with this bundle instead of a bank learnt here")
    parser.add_argument("--side", type=int, default=256, help="input of both, px; a bundle has its own")
    parser.add_argument("--coreset-share", type=float, default=0.1, help="of anomalib's memory bank")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = AnomalyRecipe(input=InputRecipe(height=args.side, width=args.side))
    material = load_material(read_dataset(args.dataset, splits=("train", "val")), recipe, 0)
    with tempfile.TemporaryDirectory() as folder:
        if args.bundle is not None:
            ours = _bundled(load_bundle(args.bundle), args.threads)
        else:
            ours = _learnt(material, recipe, Path(folder), args.threads)
        fitted: Any = fit(AnomalibRecipe(coreset_share=args.coreset_share), material.fit.images, 0).model.eval()
        theirs = _anomalib(fitted, args.side)
        figures = _compare(ours, theirs, material)
        if args.coreset_share < USUAL_SHARE:
            figures = {**figures, **_with_usual_bank(ours, theirs, fitted, args.coreset_share, material)}
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        report.write({**figures, "input_px": args.side, "threads": args.threads, "peak_memory_mb": peak_mb}, args.json)


def _with_usual_bank(ours: Judge, theirs: Judge, fitted: Any, share: float, material: Material) -> report.Figures:
    """Time both again, anomalib's with as many places as it would keep by default."""
    places, width = fitted.memory_bank.shape
    fitted.memory_bank = torch.randn(round(places * USUAL_SHARE / share), width)
    times = _alternate(ours, theirs, [read_image(sample.path) for sample in material.validation.samples[:LOOKS]])
    middle = [report.percentile_ms(seconds, 0.5) for seconds in times]
    return {
        "usual_bank_speed_ratio": middle[1] / middle[0],
        "usual_bank_places": len(fitted.memory_bank),
        "usual_bank_ours_p50_ms": middle[0],
        "usual_bank_anomalib_p50_ms": middle[1],
    }


def _compare(ours: Judge, theirs: Judge, material: Material) -> report.Figures:
    samples = material.validation.samples
    frames = [read_image(sample.path) for sample in samples]
    mine, other = (_measure(judge, samples, frames) for judge in (ours, theirs))
    times = _alternate(ours, theirs, frames)
    middle = [report.percentile_ms(seconds, 0.5) for seconds in times]
    return {
        "speed_ratio": middle[1] / middle[0],
        "image_auroc_difference": mine.image_auroc - other.image_auroc,
        "ours_image_auroc": mine.image_auroc,
        "anomalib_image_auroc": other.image_auroc,
        "ours_aupro": mine.aupro,
        "anomalib_aupro": other.aupro,
        "ours_p50_ms": middle[0],
        "ours_p99_ms": report.percentile_ms(times[0], 0.99),
        "anomalib_p50_ms": middle[1],
        "anomalib_p99_ms": report.percentile_ms(times[1], 0.99),
        "good_parts_learnt": len(material.fit),
        "parts_judged": len(samples),
    }


def _bundled(bundle: Bundle, threads: int) -> Judge:
    if bundle.manifest.task != "anomaly":
        raise UserError(f"{bundle.path}: task is {bundle.manifest.task}; expected anomaly")
    return _judge(bundle.path / MODEL_FILES["cpu-int8"], bundle.manifest.input, threads)


def _learnt(material: Material, recipe: AnomalyRecipe, folder: Path, threads: int) -> Judge:
    spec = material.spec
    graph, _ = best_bank(recipe, material, 0)
    path = folder / "model.onnx"
    export_onnx(graph, spec.height, spec.width, path, OUTPUTS)
    ranges = with_spoilt(spread(material.fit, recipe.quantise.images, 0), 0)
    int8 = convert(path, ranges, recipe.quantise, float_nodes).paths["cpu-int8"]
    return _judge(int8, spec, threads)


def _judge(path: Path, spec: InputSpec, threads: int) -> Judge:
    runtime = load_runtime(path, RuntimeSettings(threads=threads))

    def judge(frame: Image) -> tuple[float, NDArray[np.float32]]:
        outputs = runtime.run(preprocess(frame, spec)[None])
        return float(outputs["score"][0]), outputs["map"][0]

    return judge


def _anomalib(model: Any, side: int) -> Judge:
    from torchvision.transforms.v2.functional import normalize, resize

    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

    @torch.inference_mode()
    def judge(frame: Image) -> tuple[float, NDArray[np.float32]]:
        rgb = torch.from_numpy(frame[:, :, ::-1].copy()).permute(2, 0, 1).float() / 255
        found = model(normalize(resize(rgb[None], [side, side], antialias=True), mean, deviation))
        return float(found.pred_score.reshape(-1)[0]), found.anomaly_map.reshape(side, side).numpy()

    return judge


def _measure(judge: Judge, samples: Sequence[Sample], frames: Sequence[Image]) -> Measured:
    scores, pairs = [], []
    for sample, frame in zip(samples, frames, strict=True):
        score, heat = judge(frame)
        scores.append(score)
        size = (frame.shape[0], frame.shape[1])
        truth = read_mask(sample, size) if has_mask(sample) else np.zeros(size, np.bool_)
        if truth.any() or sample.label == "good":
            spec = InputSpec(height=256, width=256)
            pairs.append((heat_to_frame(heat, placement(frame.shape, spec), spec), truth))
    defective = np.array([sample.label != "good" for sample in samples])
    return Measured(metrics.auroc(np.array(scores), defective), aupro(pairs))


def _alternate(ours: Judge, theirs: Judge, frames: Sequence[Image]) -> tuple[list[float], list[float]]:
    """Time both on the same frames in turn, so that a busy machine slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(LOOKS):
        frame = frames[number % len(frames)]
        for judge, seconds in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            judge(frame)
            seconds.append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    main()
