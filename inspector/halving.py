"""Which float layers of a quantised graph may compute in half: those that move no golden sample by more than a hair.

Layers that training kept in float because they are sensitive stay float. The others are tried one by one, with ONNX
Runtime on the processor, which computes halves as floats rounded at a layer's edges, and then all that passed together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from inspector.bundle import SENSITIVE, Bundle, Precision
from inspector.errors import BundleError, RuntimeFault
from inspector.heads import load_head
from inspector.inspection import Inspector
from inspector.model import Model
from inspector.recipe import Recipe
from inspector.runtimes import RuntimeSettings, load_runtime
from inspector.runtimes.trt.engines import HalfLayers
from inspector.values import Outcome

MOST = 0.01
"""Of a golden sample's defect probability: a fifth of what another processor's int8 kernels may differ by."""

Said = Sequence[tuple[Outcome, float]]


def choose_half(bundle: Bundle, precision: Precision, most: float = MOST) -> HalfLayers:
    """Return the float layers of a bundle's graph that may compute in half; none where none may.

    Raises:
        BundleError: there is no golden sample at this precision to try it on.
    """
    trial = _Trial(bundle, precision)
    layers = [one for one in bundle.manifest.kept_float if one.precision == precision]
    tried = {one.node: trial.difference((one.node,)) for one in layers if not one.reason.startswith(SENSITIVE)}
    fit = sorted((node for node, moved in tried.items() if moved <= most), key=tried.__getitem__)
    while fit and trial.difference(fit) > most:
        fit.pop()
    return HalfLayers(tuple(fit), trial.difference(fit))


class _Trial:
    """Golden samples as the graph judges them, with some of its layers in half."""

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        self._bundle, self._precision = bundle, precision
        self.reference = self._said(bundle.model_path(precision))
        if not self.reference:
            raise BundleError(f"{bundle.path}: no golden sample at {precision}; expected some, to try halves on")

    def difference(self, nodes: Sequence[str]) -> float:
        """Return the largest difference of a probability; infinite where an outcome flips or a weight is too large."""
        if not nodes:
            return 0.0
        from inspector.runtimes.trt.half import with_half_layers

        content = self._bundle.model_path(self._precision).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "half.onnx"
            try:
                path.write_bytes(with_half_layers(content, nodes))
                said = self._said(path)
            except (ValueError, BundleError, RuntimeFault):
                return float("inf")
        pairs = list(zip(said, self.reference, strict=True))
        flips = any(ours[0] is not theirs[0] for ours, theirs in pairs)
        return float("inf") if flips else max(abs(ours[1] - theirs[1]) for ours, theirs in pairs)

    def _said(self, path: Path) -> Said:
        head = load_head(self._bundle.manifest, self._bundle.calibration(self._precision))
        model = Model(load_runtime(path, RuntimeSettings()), head, self._precision)
        inspector = Inspector(self._bundle, Recipe(precision=self._precision), model)
        return [(outcome, chance) for _, outcome, chance in inspector.golden_outcomes()]
