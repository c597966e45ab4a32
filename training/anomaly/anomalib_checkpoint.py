"""A checkpoint of anomalib's engine: the network in it, and the pictures that it was trained to see.

Read without running code from the file. anomalib writes its pre-processing beside the tensors (since 2.7, as plain
values); what that asks for and a station cannot do is refused, since scores of other pictures are other scores.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import UserError

if TYPE_CHECKING:  # torch is imported where it is used: a wrong path must be refused at once
    from training.graph import StationGraph

MEMORY, TEACHER = "model.memory_bank", "model.teacher_model."
PICTURES = "anomalib_pre_processor_config"
Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """How a picture becomes the network's input: stretched to a size, then (value - mean) / spread; values 0..1."""

    size: tuple[int, int] | None
    """Height, width, px; None where it was never resized."""
    mean: Rgb = (0.0, 0.0, 0.0)
    spread: Rgb = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What is in the file."""

    model: Any
    """anomalib's Lightning model in eval mode, float32."""
    seen: Seen | None
    """None where the file does not say it (anomalib before 2.7, or a transform that anomalib could not write)."""

    def summary(self) -> str:
        inner = self.model.model
        bank = f", {len(inner.memory_bank)} good places" if hasattr(inner, "memory_bank") else ""
        trained = f"{self.seen.size[1]} x {self.seen.size[0]} px" if self.seen and self.seen.size else "a size unknown"
        return f"anomalib's {type(self.model).__name__} on {inner.backbone}{bank}; trained on pictures of {trained}"


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the model in a checkpoint and what it expects.

    Raises:
        UserError: no such file, none of anomalib's PatchCore or STFPM, tensors missing or of another network, an empty
            memory bank, pre-processing that a station cannot do, or anomalib is not installed.
    """
    from training.anomaly.anomalib_graph import anomalib_at_hand

    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    with anomalib_at_hand():
        content = _content(path)
        return Checkpoint(_model(path, set(content["state_dict"])), _seen(path, content.get(PICTURES)))


def graph_of(checkpoint: Checkpoint) -> StationGraph:
    """Return what the station runs: raw score and map, of pictures normalised as the checkpoint's were."""
    from training.anomaly.anomalib_graph import station_graph

    graph = station_graph(checkpoint.model)
    if checkpoint.seen is not None:
        graph.expect(checkpoint.seen.mean, checkpoint.seen.spread)
    return graph


def _content(path: Path) -> Mapping[str, Any]:
    import torch
    from anomalib.utils.serialization import anomalib_safe_globals

    try:
        with anomalib_safe_globals():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UserError(
            f"{path}: not a checkpoint that can be read without running code ({type(error).__name__})"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise UserError(f"{path}: not a checkpoint of Lightning's: it has no state_dict")
    return content


def _model(path: Path, names: set[str]) -> Any:
    from anomalib.models import Patchcore, Stfpm

    from training.anomaly.anomalib_graph import no_download

    kind: Any = Patchcore if MEMORY in names else Stfpm if any(name.startswith(TEACHER) for name in names) else None
    if kind is None:
        raise UserError(f"{path}: expected a checkpoint of anomalib's PatchCore or STFPM; it has neither's tensors")
    parts: dict[str, Any] = {"post_processor": False, "evaluator": False, "visualizer": False}
    try:
        with no_download():
            model = kind.load_from_checkpoint(path, map_location="cpu", strict=False, **parts)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{path}: expected a checkpoint of this version of anomalib: {reason}") from error
    if missing := sorted(set(model.state_dict()) - names):
        raise UserError(
            f"{path}: state_dict: expected {len(missing)} more tensors, among them {missing[0]}; none there"
        )
    if kind is Patchcore and not len(model.model.memory_bank):
        raise UserError(f"{path}: {MEMORY}: expected the places of good parts, found none; was it trained to its end?")
    return model.float().eval()


def _seen(path: Path, config: Any) -> Seen | None:
    spec = config.get("transform") if isinstance(config, dict) else None
    if spec is None:
        return None
    steps = list(_steps(spec))
    found = dict(steps)
    resize, normalise = found.get("Resize"), found.get("Normalize")
    if len(found) < len(steps) or set(found) - {"Resize", "Normalize"} or not (resize is None or _has_sides(resize)):
        shown = ", ".join(f"{name} {given.get('size', '')}".strip() for name, given in steps)
        raise UserError(
            f"{path}: {PICTURES}: expected a Resize to height and width and a Normalize, which a station can do; "
            f"found {shown}"
        )
    size = (resize["size"][0], resize["size"][1]) if resize else None
    return Seen(size, tuple(normalise["mean"]), tuple(normalise["std"])) if normalise else Seen(size)


def _steps(spec: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and arguments of each transform, those in a Compose one by one."""
    name, given = str(spec["class_path"]).rpartition(".")[2], spec["init_args"]
    if name != "Compose":
        yield name, given
        return
    for step in given["transforms"]:
        yield from _steps(step)


def _has_sides(resize: Mapping[str, Any]) -> bool:
    """One number keeps the proportions and leaves the longer side open, which a network of fixed input cannot."""
    return isinstance(resize["size"], list) and len(resize["size"]) == 2
