"""Probabilities that mean what they say, fitted on the quantised model's outputs; see docs/calibration.md."""

from inspector.calibration.choice import fit_classes, fit_part
from inspector.calibration.conformal import Conformal, fit_conformal
from inspector.calibration.document import Calibration, Method
from inspector.calibration.isotonic import Isotonic, fit_isotonic
from inspector.calibration.odds import Floats, defect_probability, defect_score, sigmoid, softmax
from inspector.calibration.platt import Platt, fit_platt
from inspector.calibration.temperature import fit_slope, fit_temperature
from inspector.calibration.venn_abers import VennAbers, fit_venn_abers

__all__ = [
    "Calibration",
    "Conformal",
    "Floats",
    "Isotonic",
    "Method",
    "Platt",
    "VennAbers",
    "defect_probability",
    "defect_score",
    "fit_classes",
    "fit_conformal",
    "fit_isotonic",
    "fit_part",
    "fit_platt",
    "fit_slope",
    "fit_temperature",
    "fit_venn_abers",
    "sigmoid",
    "softmax",
]
