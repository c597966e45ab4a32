"""The seam to a report that a person reads: plots and pages need packages that the core lacks; a plug-in has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from inspector.bundle import Manifest
from inspector.errors import UserError
from inspector.figures import Figures, JudgedPart
from inspector.plugins import load_plugin
from inspector.verdict import Policy

GROUP = "inspector.reports"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that `inspector evaluate` knows at its end."""

    figures: Figures
    """What `--json` writes."""
    parts: Sequence[JudgedPart]
    manifest: Manifest
    policy: Policy
    runtime: Mapping[str, str]


class EvaluationReport(Protocol):
    """A module, named by the entry point `evaluation` of the group `inspector.reports`."""

    def require_packages(self) -> None:
        """Raise UserError, saying what to install, where a package is missing; called before parts are inspected."""
        ...

    def write_report(self, evaluation: Evaluation, out: Path) -> None:
        """Write one self-contained file; raise UserError where it cannot be written."""
        ...


def load_evaluation_report() -> EvaluationReport:
    """Return the report plug-in, its packages checked; raise UserError where it or one of them is not installed."""
    if not entry_points(group=GROUP, name="evaluation"):
        raise UserError("--html: no report is installed; reinstall open-inspector")
    report = cast(EvaluationReport, load_plugin(GROUP, "evaluation", {}))
    report.require_packages()
    return report
