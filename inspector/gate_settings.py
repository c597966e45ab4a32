"""What a candidate must show against the bundle that serves, before a person is asked to approve it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from inspector.documents import Document

Margin = Annotated[float, Field(gt=0, lt=1)]


class GateSettings(Document):
    """Margins are differences of shares: 0.05 lets the candidate do a thing to five more of a hundred, and no more."""

    error: float = Field(default=0.05, gt=0, le=0.5, description="chance that a candidate beyond a margin is let by")
    escape_margin: Margin = Field(default=0.05, description="more defective parts of any kind that may pass")
    class_margin: Margin = Field(default=0.1, description="more parts of one class of defect that may pass")
    class_margins: dict[str, Margin] = Field(default_factory=dict, description="the same for classes named here")
    overkill_margin: Margin = Field(default=0.05, description="more good parts that may be rejected")
    review_margin: Margin = Field(
        default=0.1, description="more good parts, and more defective ones, that may go to review"
    )
    calibration_error: float = Field(
        default=0.1, gt=0, le=1, description="ECE of the candidate that its interval may not lie above"
    )
    latency_ratio: float = Field(
        default=1.5, ge=1, le=100, description="median time of a part against the serving bundle's, on the same machine"
    )

    def margin_of(self, label: str) -> float:
        return self.class_margins.get(label, self.class_margin)


def groups_needed(margin: float, error: float) -> int:
    """Return the fewest groups, all judged alike, that show `margin`: (1 - margin)^n is at most `error`."""
    return math.ceil(math.log(error) / math.log1p(-margin))
