"""Golden samples of tasks with one part score: clear parts of each label, with what each precision said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle import Golden, GoldenSample, GoldenVerdict, Precision
from inspector.figures import JudgedPart
from inspector.values import Outcome
from inspector.verdict import Policy
from training.viewed import Viewed

Held = Mapping[Precision, Sequence[JudgedPart]]


def golden_files(viewed: Viewed, held: Held, policy: Policy, count: int, good: Sequence[str] = ()) -> dict[str, bytes]:
    """Files of the bundle: preprocessed pictures as PNG (whole frames where they are cut in tiles), what is expected.

    Where the network compares with a golden template, the picture holds it below.
    """
    chosen = choose(viewed, held, policy, count)
    names = {index: f"{number:02d}.png" for number, index in enumerate(chosen)}
    files = {f"golden/{name}": _png(viewed.stored(index, good)) for index, name in names.items()}
    samples = tuple(_sample(viewed, held, index, name) for index, name in names.items())
    files["golden/golden.json"] = (Golden(samples).model_dump_json(indent=2) + "\n").encode()
    return files


def choose(viewed: Viewed, held: Held, policy: Policy, count: int) -> tuple[int, ...]:
    """Positions of at most `count` parts, labels in turn; the clearest first, since a self-test must not waver."""
    order = sorted(range(len(viewed)), key=lambda i: (not _is_right(held, i), -_clearness(held, policy, i)))
    seen: dict[str, int] = {}
    ranked = []
    for index in order:
        label = viewed.samples[index].label
        seen[label] = seen.get(label, -1) + 1
        ranked.append((seen[label], label, index))
    return tuple(index for _, _, index in sorted(ranked)[:count])


def _is_right(held: Held, index: int) -> bool:
    wanted = {True: Outcome.REJECT, False: Outcome.PASS}
    return all(parts[index].verdict.outcome is wanted[parts[index].is_defect] for parts in held.values())


def _clearness(held: Held, policy: Policy, index: int) -> float:
    """Distance of the probability from the nearer limit, in the precision where it is least."""
    limits = (policy.pass_below, policy.reject_above)
    probabilities = [parts[index].prediction.defect_probability for parts in held.values()]
    return min(abs(probability - limit) for probability in probabilities for limit in limits)


def _sample(viewed: Viewed, held: Held, index: int, name: str) -> GoldenSample:
    expected: dict[Precision, GoldenVerdict] = {
        precision: GoldenVerdict(
            outcome=parts[index].verdict.outcome,
            label=parts[index].prediction.label,
            defect_probability=parts[index].prediction.defect_probability,
        )
        for precision, parts in held.items()
    }
    return GoldenSample(file=name, label=viewed.samples[index].label, expected=expected)


def _png(image: NDArray[np.uint8]) -> bytes:
    pictures = np.concatenate([image[:, :, i : i + 3] for i in range(0, image.shape[2], 3)])
    written, encoded = cv2.imencode(".png", pictures)
    if not written:
        raise ValueError(f"a picture of shape {image.shape} could not be written as PNG")
    return bytes(encoded)
