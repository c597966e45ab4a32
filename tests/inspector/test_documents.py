"""A table that sets some fields leaves the others at the defaults of the document that it stands in."""

from __future__ import annotations

from typing import Any

import pytest

from inspector.documents import Document, parse
from inspector.errors import UserError


class Rate(Document):
    first: float = 1.0
    last: float = 0.0


class Fit(Document):
    epochs: int = 30
    patience: int = 15
    rate: Rate = Rate()


class Plan(Document):
    name: str = "plan"
    fit: Fit = Fit(epochs=60, patience=1000, rate=Rate(first=3.0))
    other: Fit | None = None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, Fit(epochs=60, patience=1000, rate=Rate(first=3.0))),
        ({"fit": {"epochs": 5}}, Fit(epochs=5, patience=1000, rate=Rate(first=3.0))),
        ({"fit": {"rate": {"last": 0.5}}}, Fit(epochs=60, patience=1000, rate=Rate(first=3.0, last=0.5))),
        ({"fit": {"rate": {"first": 2}, "patience": 7}}, Fit(epochs=60, patience=7, rate=Rate(first=2.0))),
        ({"fit": Fit()}, Fit()),
    ],
)
def test_what_is_not_set_stays_as_the_document_has_it(content: dict[str, Any], expected: Fit) -> None:
    assert Plan.model_validate(content).fit == expected


def test_a_table_without_a_default_of_its_own_has_those_of_its_kind() -> None:
    assert Plan.model_validate({"other": {"epochs": 5}}).other == Fit(epochs=5)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"fit": {"epoch": 5}}, "fit.epoch: unknown field"),
        ({"fit": {"rate": {"first": "fast"}}}, "fit.rate.first"),
        ({"fit": 3}, "fit: "),
        ([], "document: "),
    ],
)
def test_faults_are_named_as_before(content: object, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        parse("plan.toml", content, Plan, UserError)


@pytest.mark.parametrize("fit", [{}, {"epochs": 5}, {"patience": 15}, {"rate": {"first": 1.0}}])
def test_what_was_set_is_enough_to_say_it_again(fit: dict[str, Any]) -> None:
    plan = Plan.model_validate({"fit": fit})
    assert Plan.model_validate_json(plan.model_dump_json(exclude_unset=True)) == plan
