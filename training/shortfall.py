"""What a quantised graph loses on the calibration parts, before validation is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from inspector.figures import JudgedPart
from inspector.runtimes import Outputs
from inspector.values import Outcome
from training.recipe import QuantiseRecipe
from training.scoring import SURE, graph_outputs
from training.viewed import Viewed

Said = Sequence[Outputs]
Parts = Sequence[JudgedPart]
AIM = 0.5
"""Share of the recipe's `int8_flips` that calibration parts may use up. The limit itself is for parts of val, which are
looked at once, after all is chosen: what just kept it on some hundred calibration parts broke it there."""
Hold = Callable[[Said, Said], tuple[Parts, Parts]]
"""From what the float and a quantised graph said of the calibration parts to their verdicts."""


class ScoreJudge:
    """For tasks with one part score; remembers what each graph said, since that is needed again."""

    def __init__(
        self, float_path: Path, viewed: Viewed, recipe: QuantiseRecipe, hold: Hold, figure: Callable[[Parts], object]
    ) -> None:
        self.float_path, self.viewed, self.recipe = float_path, viewed, recipe
        self.hold, self.figure = hold, figure
        self.said = {float_path: graph_outputs(float_path, viewed)}

    def complaint(self, path: Path) -> str:
        self.said[path] = graph_outputs(path, self.viewed)
        before, after = self.hold(self.said[self.float_path], self.said[path])
        return complaint(before, after, (self.figure(before), self.figure(after)), self.recipe)


def complaint(before: Parts, after: Parts, figures: tuple[object, object], recipe: QuantiseRecipe) -> str:
    """Return in words what is beyond the recipe's limits; empty where nothing is. `figures`: float, quantised."""
    pairs = list(zip(before, after, strict=True))
    flips = sum(was.verdict.outcome is not now.verdict.outcome for was, now in pairs)
    sure = sum(
        was.prediction.defect_probability >= SURE
        and (was.verdict.outcome, now.verdict.outcome) == (Outcome.REJECT, Outcome.PASS)
        for was, now in pairs
    )
    return described(flips, len(pairs), sure, figures, recipe)


def described(flips: int, n: int, sure: int, figures: tuple[object, object], recipe: QuantiseRecipe) -> str:
    """Return the complaint about `flips` of `n` verdicts, `sure` defects passed, and a figure before and after."""
    faults = []
    aim = AIM if recipe.int8_flips < 1 else 1.0  # 1 sets no limit
    if flips > aim * recipe.int8_flips * n:
        faults.append(f"{flips} of {n} verdicts of calibration parts change")
    if sure:
        faults.append(f"{sure} sure defects of calibration parts pass")
    before, after = figures
    if isinstance(before, float) and isinstance(after, float) and before - after > recipe.max_drop:
        faults.append(f"the figure of calibration parts falls from {before:.4f} to {after:.4f}")
    return ", ".join(faults)
