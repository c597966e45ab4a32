from __future__ import annotations

import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inspector.draws import (
    AuditBand,
    AuditSettings,
    Draw,
    Stratum,
    draw_pass,
    draw_repeats,
    fingerprint,
    in_drawn_order,
    is_drawn,
    strata_of,
)
from inspector.ids import new_id
from inspector.values import Outcome, Verdict

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SETTINGS = AuditSettings(share=0.02, bands=(AuditBand(above=0.5, share=0.2), AuditBand(above=0.9, share=1.0)))
PARTS = [UUID(int=n) for n in range(20_000)]


def passed(probability: float) -> Verdict:
    return Verdict(Outcome.PASS, (), probability, "good")


def test_bands_are_parts_of_the_pass_limit() -> None:
    assert strata_of(SETTINGS, 0.1) == (
        Stratum("0 to 0.5 of the limit", 0.0, 0.05, 0.02),
        Stratum("0.5 to 0.9 of the limit", 0.05, 0.09000000000000001, 0.2),
        Stratum("0.9 to 1 of the limit", 0.09000000000000001, None, 1.0),
    )


@given(st.floats(0, 1), st.floats(0, 1))
def test_every_pass_is_in_exactly_one_stratum(probability: float, limit: float) -> None:
    if limit > 1e-6:
        assert sum(stratum.holds(probability) for stratum in strata_of(SETTINGS, limit)) == 1


def test_parts_are_drawn_as_often_as_their_share_says() -> None:
    strata = strata_of(SETTINGS, 0.1)
    for probability, share, name in ((0.01, 0.02, "0 to 0.5 of the limit"), (0.06, 0.2, "0.5 to 0.9 of the limit")):
        draws = [draw for part in PARTS if (draw := draw_pass(KEY, strata, part, passed(probability)))]
        assert set(draws) == {Draw(share, name)}
        error = math.sqrt(share * (1 - share) / len(PARTS))
        assert abs(len(draws) / len(PARTS) - share) < 4 * error
    assert all(draw_pass(KEY, strata, part, passed(0.1)) for part in PARTS[:50])


def test_a_draw_can_be_made_again_and_another_key_draws_others() -> None:
    first, again = ([is_drawn(key, f"audit {part}", 0.3) for part in PARTS[:500]] for key in (KEY, KEY))
    other = [is_drawn(OTHER, f"audit {part}", 0.3) for part in PARTS[:500]]
    assert first == again
    assert 0.4 < sum(one is two for one, two in zip(first, other, strict=True)) / 500 < 0.7
    assert fingerprint(KEY) == fingerprint(KEY) != fingerprint(OTHER)
    assert fingerprint(KEY) not in KEY.hex()


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_a_larger_share_draws_the_same_parts_and_more(one: float, other: float) -> None:
    few, many = ({part for part in PARTS[:300] if is_drawn(KEY, f"{part}", s)} for s in sorted((one, other)))
    assert few <= many


@pytest.mark.parametrize("outcome", [Outcome.REJECT, Outcome.REVIEW, Outcome.NOT_INSPECTED])
def test_only_passes_are_drawn(outcome: Outcome) -> None:
    everything = strata_of(AuditSettings(share=1), 0.5)
    assert draw_pass(KEY, everything, new_id(), Verdict(outcome, ("why",), 0.2)) is None
    assert draw_pass(KEY, everything, new_id(), Verdict(Outcome.PASS)) is None
    assert draw_pass(KEY, everything, new_id(), passed(0.2)) == Draw(1.0, "0 to 1 of the limit")


def test_repeats_are_drawn_by_part() -> None:
    drawn = draw_repeats(KEY, PARTS, 0.1)
    assert 1800 < len(drawn) < 2200
    assert drawn == draw_repeats(KEY, PARTS, 0.1)
    assert draw_repeats(KEY, PARTS[:5], 1.0) == PARTS[:5]


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5])
def test_a_share_of_repeats_outside_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        draw_repeats(KEY, PARTS, share)


def test_the_order_is_shuffled_and_loses_nothing() -> None:
    shuffled = in_drawn_order(KEY, PARTS[:100])
    assert shuffled != PARTS[:100]
    assert sorted(shuffled) == PARTS[:100]
    assert shuffled != in_drawn_order(OTHER, PARTS[:100])


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="a key of 32 bytes, got 31"):
        is_drawn(KEY[:31], "audit", 0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"share": 0},
        {"share": 1.1},
        {"share": 0.1, "bands": [{"above": 0.5, "share": 0}]},
        {"share": 0.1, "bands": [{"above": 0, "share": 0.5}]},
        {"share": 0.1, "bands": [{"above": 1, "share": 0.5}]},
        {"share": 0.1, "bands": [{"above": 0.5, "share": 0.5}, {"above": 0.5, "share": 0.5}]},
        {},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AuditSettings.model_validate(settings)
