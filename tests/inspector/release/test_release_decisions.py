"""What a release concludes from what it sees: comparison in the shadow, watch, and the chain of steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import ConfigError
from inspector.release.chain import (
    Answer,
    Move,
    Seen,
    StepKind,
    Taken,
    back,
    next_move,
    waits_for,
)
from inspector.release.comparison import Comparison, Conclusion, Disputed, compare
from inspector.release.settings import (
    ReleaseSettings,
    ReleaseStation,
    ShadowSettings,
    WatchSettings,
    load_release_settings,
)
from inspector.release.watch import Watched, judge
from inspector.risk import Rate

STATIONS = tuple(ReleaseStation(name=name, database=f"{name}.sqlite") for name in ("press-1", "press-2", "press-3"))
SETTINGS = ReleaseSettings(approvals=2, station=STATIONS)
ALL = frozenset(each.name for each in STATIONS)
GOOD = Comparison(300, 30, Disputed(), Disputed())
BAD = Comparison(300, 30, Disputed(good=60), Disputed())
DONE, REFUSED = Answer(True), Answer(True, True, "not signed")
SHADOW, WATCH = ShadowSettings(), WatchSettings()


# ---- the comparison


def test_nothing_is_concluded_before_enough_parts_were_judged_by_both() -> None:
    assert compare(replace(GOOD, parts=299), SHADOW).conclusion is Conclusion.WAIT


def test_a_candidate_that_says_the_same_may_serve() -> None:
    assert compare(GOOD, SHADOW).conclusion is Conclusion.GOOD


def test_one_that_lets_pass_what_persons_call_defective_may_not() -> None:
    escapes = replace(GOOD, serving_stops=Disputed(defective=4))
    assert compare(escapes, SHADOW).conclusion is Conclusion.BAD


def test_one_that_stops_many_good_parts_more_may_not() -> None:
    assert compare(BAD, SHADOW).conclusion is Conclusion.BAD


def test_one_that_catches_what_the_other_let_pass_may_serve() -> None:
    assert compare(replace(GOOD, candidate_stops=Disputed(defective=20)), SHADOW).conclusion is Conclusion.GOOD


def test_disputed_parts_that_could_decide_are_waited_for_and_named() -> None:
    concluded = compare(replace(GOOD, serving_stops=Disputed(unlabelled=10)), SHADOW)
    assert concluded.conclusion is Conclusion.WAIT
    assert concluded.words.startswith("10 disputed parts wait for a blind label")


def test_what_no_label_can_change_is_concluded_without_labels() -> None:
    few = replace(GOOD, serving_stops=Disputed(unlabelled=1), candidate_stops=Disputed(unlabelled=2))
    assert compare(few, SHADOW).conclusion is Conclusion.GOOD
    many = replace(GOOD, candidate_stops=Disputed(good=40, unlabelled=3))
    assert compare(many, SHADOW).conclusion is Conclusion.BAD


counts = st.integers(0, 40)


@given(st.tuples(counts, counts, counts), st.tuples(counts, counts, counts), st.lists(st.booleans(), max_size=100))
def test_an_early_conclusion_is_that_of_all_labels(
    mine: tuple[int, int, int], others: tuple[int, int, int], said: list[bool]
) -> None:
    answers = iter([*said, *[True] * 100])

    def labelled(disputed: Disputed) -> Disputed:
        defective = sum(next(answers) for _ in range(disputed.unlabelled))
        return Disputed(disputed.defective + defective, disputed.good + disputed.unlabelled - defective)

    seen = replace(GOOD, candidate_stops=Disputed(*mine), serving_stops=Disputed(*others))
    early = compare(seen, SHADOW).conclusion
    late = compare(
        replace(seen, candidate_stops=labelled(Disputed(*mine)), serving_stops=labelled(Disputed(*others))), SHADOW
    )
    assert late.conclusion is not Conclusion.WAIT
    assert early in (Conclusion.WAIT, late.conclusion)


def test_one_worse_by_the_margin_is_let_by_no_more_often_than_the_error_says() -> None:
    rng = np.random.default_rng(3)
    let_by = 0
    for _ in range(400):
        said = rng.random(300)
        lost, gained = int((said < 0.03).sum()), int((said > 0.99).sum())  # escapes 2 % more: the margin
        seen = replace(GOOD, serving_stops=Disputed(defective=lost), candidate_stops=Disputed(defective=gained))
        let_by += compare(seen, SHADOW).conclusion is Conclusion.GOOD
    assert let_by <= 35  # 20 expected at an error of 5 %; more than 35 happen once in a thousand times


def test_settings_that_no_candidate_could_meet_are_refused() -> None:
    with pytest.raises(ValueError, match=r"50 parts cannot show a margin of 0\.02"):
        ShadowSettings(parts=50)


# ---- the watch


BEFORE = Rate(30, 300)


def stopped(rate: float, seed: int, parts: int = 500) -> tuple[bool, ...]:
    return tuple(bool(each) for each in np.random.default_rng(seed).random(parts) < rate)


def test_a_bundle_that_is_as_the_former_was_goes_back_no_more_often_than_the_settings_say() -> None:
    tries = 400
    gone = 0
    for seed in range(tries):
        before = Rate(sum(stopped(0.1, seed, 300)), 300)
        gone += judge(Watched(before, stopped(0.1, 10_000 + seed)), WATCH).conclusion is Conclusion.BAD
    assert gone <= 10  # 4 expected at the stated 1 %; more than 10 happen once in 400 times


@pytest.mark.parametrize("rate", [0.4, 0.7, 1.0])
def test_a_bundle_that_stops_many_more_parts_is_found_within_two_hundred(rate: float) -> None:
    for seed in range(20):
        assert judge(Watched(BEFORE, stopped(rate, seed, 200)), WATCH).conclusion is Conclusion.BAD


def test_a_bundle_that_stops_nothing_any_more_is_found() -> None:
    concluded = judge(Watched(Rate(60, 300), (False,) * 200), WATCH)
    assert concluded.conclusion is Conclusion.BAD
    assert "passed" in concluded.words


def test_defective_passes_among_those_drawn_take_it_back() -> None:
    concluded = judge(Watched(BEFORE, stopped(0.1, 1, 100), escaped=(False, True, True, True)), WATCH)
    assert concluded.conclusion is Conclusion.BAD
    assert "drawn passes are defective" in concluded.words


def test_a_missed_part_of_known_truth_takes_it_back_at_once() -> None:
    concluded = judge(Watched(BEFORE, (), missed=("challenge part C-1: PASS",)), WATCH)
    assert concluded.words == "missed challenge part C-1: PASS"


def test_a_drift_alarm_takes_it_back_unless_the_settings_say_otherwise() -> None:
    seen = Watched(BEFORE, stopped(0.1, 1, 100), drift=("camera-1: brightness rose",))
    assert judge(seen, WATCH).conclusion is Conclusion.BAD
    assert judge(seen, WatchSettings(drift=False)).conclusion is Conclusion.WAIT


def test_enough_parts_without_anything_against_it_are_enough() -> None:
    assert judge(Watched(BEFORE, stopped(0.1, 1, 499)), WATCH).conclusion is Conclusion.WAIT
    assert judge(Watched(BEFORE, stopped(0.1, 1, 500)), WATCH).conclusion is Conclusion.GOOD


# ---- the chain


def follow(seen_by_kind: dict[StepKind, Seen], *persons: str) -> list[Taken]:
    """Take steps until nothing more comes, each order of which is answered as `seen_by_kind` says of its kind."""
    steps: list[Taken] = []
    answers: dict[int, Answer] = {}
    while len(steps) < 20:
        last = steps[-1].move.kind if steps else StepKind.APPROVE
        seen = seen_by_kind.get(last, Seen(answers={0: DONE}))
        answers |= {step.number: seen.answers.get(0, DONE) for step in steps[-1:]}
        move = next_move(SETTINGS, steps, replace(seen, approvers=frozenset(persons), fit=ALL, answers=answers))
        if move is None:
            return steps
        steps.append(Taken(len(steps) + 1, move, "a" * 64))
    raise AssertionError(steps)


def kinds(steps: list[Taken]) -> list[tuple[StepKind, str | None]]:
    return [(step.move.kind, step.move.station) for step in steps]


SHADOWED = {StepKind.SHADOW: Seen(comparison=GOOD)}
SERVED = {**SHADOWED, StepKind.SERVE: Seen(watched=Watched(BEFORE, stopped(0.1, 1)))}


def test_one_of_two_approvals_is_not_enough() -> None:
    assert follow({}, "ann") == []
    assert waits_for(SETTINGS, (), Seen(approvers=frozenset({"ann"}))) == "1 of 2 approvals"


def test_a_good_candidate_reaches_every_station_in_order() -> None:
    assert kinds(follow(SERVED, "ann", "bob")) == [
        (StepKind.SHADOW, "press-1"),
        (StepKind.SERVE, "press-1"),
        (StepKind.SERVE, "press-2"),
        (StepKind.SERVE, "press-3"),
        (StepKind.RELEASED, None),
    ]


def test_one_that_is_worse_in_the_shadow_never_serves() -> None:
    steps = follow({StepKind.SHADOW: Seen(comparison=BAD)}, "ann", "bob")
    assert kinds(steps) == [(StepKind.SHADOW, "press-1"), (StepKind.END_SHADOW, "press-1"), (StepKind.REFUSED, None)]


def test_one_that_is_bad_on_the_line_goes_back_and_reaches_no_other_station() -> None:
    bad = {**SHADOWED, StepKind.SERVE: Seen(watched=Watched(BEFORE, stopped(0.9, 1, 60)))}
    assert kinds(follow(bad, "ann", "bob"))[2:] == [(StepKind.BACK, "press-1"), (StepKind.WENT_BACK, None)]


def test_a_shadow_that_ended_with_the_station_is_ordered_again() -> None:
    half = Seen(shadow_lost=True, comparison=replace(GOOD, parts=100), answers={1: DONE}, fit=ALL)
    steps = [Taken(1, Move(StepKind.SHADOW, "approved", "press-1"))]
    assert next_move(SETTINGS, steps, half) == Move(StepKind.SHADOW, "the station was started anew", "press-1")


@pytest.mark.parametrize(
    ("kind", "end"),
    [(StepKind.SHADOW, StepKind.REFUSED), (StepKind.SERVE, StepKind.REFUSED), (StepKind.BACK, StepKind.HALTED)],
)
def test_an_order_that_the_first_station_refuses_ends_the_release_with_its_cause(kind: StepKind, end: StepKind) -> None:
    bad = {**SHADOWED, StepKind.SERVE: Seen(watched=Watched(BEFORE, stopped(0.9, 1, 60)))}
    steps = follow({**bad, kind: Seen(answers={0: REFUSED})}, "ann", "bob")
    assert steps[-1].move.kind is end
    assert "not signed" in steps[-1].move.reason


def test_a_further_station_that_refuses_halts_the_release_and_the_first_goes_on() -> None:
    steps = [Taken(1, Move(StepKind.SERVE, "good", "press-1")), Taken(2, Move(StepKind.SERVE, "good", "press-2"))]
    move = next_move(SETTINGS, steps, Seen(answers={1: DONE, 2: REFUSED}, fit=ALL))
    assert move == Move(StepKind.HALTED, "station press-2: not signed")
    assert back([*steps, Taken(3, move)], {2: REFUSED}, "ann", "stop") == Move(StepKind.BACK, "stop", "press-1", "ann")


def test_a_station_under_another_recipe_is_waited_for() -> None:
    seen = Seen(approvers=frozenset({"ann", "bob"}), fit=frozenset({"press-2"}))
    assert next_move(SETTINGS, [], seen) is None
    assert waits_for(SETTINGS, [], seen) == "the next station does not serve the recipe"


def test_a_person_who_serves_something_else_there_ends_the_release() -> None:
    steps = [Taken(1, Move(StepKind.SERVE, "good", "press-1"))]
    move = next_move(SETTINGS, steps, Seen(answers={1: DONE}, fit=ALL, still_serves=False))
    assert move is not None
    assert move.kind is StepKind.WENT_BACK


def test_going_back_tells_all_stations_before_any_has_answered_the_newest_first() -> None:
    steps = follow(SERVED, "ann", "bob")
    answers = {step.number: DONE for step in steps}
    first = back(steps, answers, "ann", "rejects doubled")
    assert first == Move(StepKind.BACK, "rejects doubled", "press-3", "ann")
    steps.append(Taken(6, first))
    for station in ("press-2", "press-1"):
        move = next_move(SETTINGS, steps, Seen(answers=answers))
        assert move == Move(StepKind.BACK, "rejects doubled", station, "ann")
        steps.append(Taken(len(steps) + 1, move))
    assert next_move(SETTINGS, steps, Seen(answers=answers)) is None
    answers |= {6: DONE, 7: DONE, 8: DONE}
    assert next_move(SETTINGS, steps, Seen(answers=answers)) == Move(
        StepKind.WENT_BACK, "rejects doubled", person="ann"
    )


def test_a_person_ends_a_release_at_every_stage_and_what_is_over_has_nothing_to_undo() -> None:
    assert back([], {}, "ann", "no") == Move(StepKind.REFUSED, "no", person="ann")
    shadow = Taken(1, Move(StepKind.SHADOW, "approved", "press-1"))
    assert back([shadow], {}, "ann", "no") == Move(StepKind.END_SHADOW, "no", "press-1", "ann")
    assert back([shadow, Taken(2, Move(StepKind.REFUSED, "no"))], {}, "ann", "no") is None


# ---- the settings


def test_settings_name_each_station_once(tmp_path: Path) -> None:
    path = tmp_path / "release.toml"
    path.write_text('[[station]]\nname = "a"\ndatabase = "x"\n[[station]]\nname = "a"\ndatabase = "y"\n')
    with pytest.raises(ConfigError, match="expected each name once"):
        load_release_settings(path)


def test_settings_that_are_no_toml_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "release.toml"
    path.write_text("[[station")
    with pytest.raises(ConfigError, match=r"release\.toml: not TOML"):
        load_release_settings(path)
