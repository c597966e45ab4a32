"""`inspector station measure`: every runtime of this box, with the station's own frames."""

from __future__ import annotations

from collections.abc import Sequence

from inspector.bundle import Bundle, load_bundle
from inspector.choice import store_table, stored_table
from inspector.errors import CameraEnded, CameraError, FrameLost, TriggerTimeout
from inspector.parity import RuntimeTable, candidates, prove
from inspector.values import Frame
from station.cameras import camera_factory
from station.config import StationConfig


def measure_station(config: StationConfig, frames: int) -> RuntimeTable:
    """Take frames of the station's camera, run them and the golden samples through every runtime, and keep the table.

    Raises:
        BundleError: no golden samples, or no reference runs.
        CameraError: the camera gave no frame.
    """
    bundle = load_bundle(config.station.bundle)
    plain = config.recipe.model_copy(update={"enrolment": None, "expected": None})
    table = prove(bundle, plain, own_frames(config, frames), tuple(candidates(bundle)))
    store_table(bundle, table, config.post)
    return table


def own_frames(config: StationConfig, wanted: int) -> Sequence[Frame]:
    """Grab up to `wanted` frames; a camera that ends, or of which a frame is lost, gives fewer, but one at least."""
    taken: list[Frame] = []
    with camera_factory(config.camera.kind)(config.camera) as camera:
        for _ in range(wanted):
            try:
                taken.append(camera.grab(config.camera.grab_timeout_s))
            except FrameLost:
                continue
            except (CameraEnded, TriggerTimeout):
                break
    if not taken:
        raise CameraError(f"camera {config.camera.name} gave no frame; expected at least one, to measure with")
    return taken


def standing_of(config: StationConfig, bundle: Bundle) -> str:
    """Say in a few words what was measured on this box, for `station check`."""
    table = stored_table(bundle, config.post)
    if table is None:
        return "not measured on this box with these libraries (inspector station measure)"
    when = f"{table.measured_at:%Y-%m-%d}" if table.measured_at else "some time ago"
    best = table.proved[0] if table.proved else None
    first = f"fastest {best.candidate.name}, {best.p50_ms:.2f} ms a part" if best else "none is proved"
    proved = f"{len(table.proved)} of {len(table.evidence)} ways proved"
    return f"measured {when} with {table.frames} frames: {proved}, {first}"


def lines_of(table: RuntimeTable) -> Sequence[str]:
    """Write the table for a terminal, the fastest proved way on top."""
    head = f"{'runtime':45} {'parts':>5} {'differs':>8} {'flips':>5} {'p50 ms':>8} {'p99 ms':>8} {'load s':>7}"
    proved = [
        f"{one.candidate.name:45} {one.parts:5} {one.largest_difference:8.4f} {one.flips:5} {one.p50_ms or 0.0:8.2f} "
        f"{one.p99_ms or 0.0:8.2f} {one.load_s:7.2f}"
        for one in table.proved
    ]
    refused = [f"refused: {one.candidate.name}: {one.refused}" for one in table.evidence if one.refused is not None]
    return [head, *proved, *refused]
