"""The drift watch as a whole: figures in, alarms with cause and consequence out."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from inspector.charts import SUBGROUPS_LEARNT
from inspector.drift import DriftSettings, DriftWatch, WatchKey, WatchState, figures_of, log_odds
from inspector.drift_alarms import FIGURES, RATES, Alarm
from inspector.imaging import PARTS_LEARNT, Register, measure
from inspector.values import Outcome, PartResult, Prediction, Quality, Verdict, ViewInspection

KEY = WatchKey(bundle="b" * 64, recipe="r" * 64, camera="top")
SETTINGS = DriftSettings(learn_parts=300)
USUAL = {"score": -3.0, "novelty": 0.5, "focus": 200.0, "brightness": 130.0, "redness": 0.33}
SPREAD = {"score": 1.0, "novelty": 0.1, "focus": 10.0, "brightness": 2.0, "redness": 0.01}


def parts(n: int, seed: int = 0, **shifts: float) -> Iterator[dict[str, float | None]]:
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield {
            name: float(np.clip(rng.normal(USUAL[name] + shifts.get(name, 0), SPREAD[name]), -50, 500))
            for name in USUAL
        }


def fed(watch: DriftWatch, values: Iterator[dict[str, float | None]], outcome: Outcome = Outcome.PASS) -> list[Alarm]:
    return [alarm for each in values for alarm in watch.update(each, outcome)]


def view(outcome: Outcome = Outcome.PASS, **changes: object) -> ViewInspection:
    prediction = Prediction("good", (0.9, 0.1), 0.1, (2.2, -0.5), novelty=0.4)
    return ViewInspection("top", 1, "", Quality(100, 90, 0.01, 0.02), prediction, Verdict(outcome, (), 0.1, "good"))


def drifted(safe_mode: bool = False) -> DriftWatch:
    watch = DriftWatch(SETTINGS.model_copy(update={"safe_mode": safe_mode}), KEY)
    fed(watch, parts(300))
    assert fed(watch, parts(100, brightness=-7.0))
    return watch


def test_a_steady_line_is_quiet() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    assert fed(watch, parts(5000)) == []
    assert (watch.parts, watch.alarms, watch.safe) == (5000, (), False)


@pytest.mark.parametrize(
    ("figure", "shift", "said"),
    [
        ("brightness", -7.0, "lamp fade, dirt or exposure: brightness fell from 129.8 to 12"),
        ("brightness", 7.0, "lamp, exposure or ambient light: brightness rose from 1"),
        ("focus", -40.0, "defocus, vibration or dirt: focus fell from 2"),
        ("score", 3.0, "parts look more defective than they did: log odds of a defect rose from -"),
        ("novelty", 0.3, "new material, texture or kind of part: novelty rose from 0."),
        ("redness", 0.03, "lamp, white balance or material: red share rose from 0.33"),
    ],
)
def test_an_alarm_names_cause_levels_and_consequence(figure: str, shift: float, said: str) -> None:
    watch = DriftWatch(SETTINGS, KEY)
    fed(watch, parts(900))
    alarms = fed(watch, parts(200, seed=1, **{figure: shift}))
    assert [alarm.figure for alarm in alarms] == [figure]
    alarm = alarms[0]
    assert alarm.severity == "ALARM"
    assert alarm.cause.startswith(said)
    assert alarm.cause.endswith(f"over about {alarm.part - alarm.since_part} parts")
    assert alarm.consequence == "the certificate no longer holds; limits stay as they are (no safe mode)"
    assert alarm.text == f"{alarm.cause}; {alarm.consequence}"
    assert 880 <= alarm.since_part <= alarm.part == 900 + (alarm.part - 900)
    assert watch.alarms == (alarm,)


def test_every_figure_has_words_and_may_be_watched() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    fed(watch, ({name: float(n % 7) + place for place, name in enumerate(FIGURES)} for n in range(300)))
    alarms = fed(watch, (dict.fromkeys(FIGURES, 1e3) for _ in range(100)))
    assert [alarm.figure for alarm in alarms] == list(FIGURES)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_an_alarm_and_no_exception(value: float) -> None:
    watch = DriftWatch(SETTINGS, KEY)
    said = fed(watch, iter([{"score": value}, {"score": value}, {"score": 0.0}]))
    assert [alarm.cause for alarm in said] == [
        f"camera or network fault: log odds of a defect is {value}, expected a finite number"
    ]
    assert (said[0].severity, said[0].part, said[0].since_part) == ("ALARM", 1, 0)
    WatchState.model_validate_json(watch.state().model_dump_json())


def test_a_score_that_is_always_the_same_cannot_teach() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    said = fed(watch, ({"score": 1.0, "dark_share": 0.0} for _ in range(700)))
    assert len(said) == 1
    assert said[0].severity == "WARNING"
    assert said[0].text == (
        "log odds of a defect is not watched: constant reference: all 300 parts have 1; it learns again"
    )
    assert watch.alarms == ()


def test_what_no_network_tells_is_left_out() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    fed(watch, ({"novelty": None, "focus": float(n % 9)} for n in range(320)))
    point = watch.point()
    assert list(point.levels) == ["focus"]
    assert set(point.learning) == set(FIGURES) - {"focus"}


def test_a_line_that_is_strange_from_the_start_is_told_at_the_end_of_learning() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    strange = ({"novelty": 0.95 + n % 20 / 1000 if n % 3 == 0 else 0.01 * (n % 50)} for n in range(300))
    (alarm,) = fed(watch, strange)
    assert alarm.figure == "novelty"
    assert "this line's parts are not those of the training set: 100 of 300 are as unlike it" in alarm.cause
    assert "as one held part in 20 was" in alarm.cause
    assert (alarm.part, alarm.since_part) == (300, 0)


def test_as_many_strange_parts_as_were_held_are_no_alarm() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    assert fed(watch, ({"novelty": (n * 7919 % 300) / 300} for n in range(300))) == []
    assert watch.state().strange == 15


@pytest.mark.parametrize(("name", "outcome"), RATES.items())
def test_a_rate_that_rises_is_an_alarm(name: str, outcome: Outcome) -> None:
    watch = DriftWatch(DriftSettings(learn_parts=300, subgroup=50), KEY)
    for n in range(50 * SUBGROUPS_LEARNT):
        watch.update({}, outcome if n % 25 == 0 else Outcome.PASS)
    (alarm,) = fed(watch, iter([{}] * 50), outcome)
    assert alarm.figure == name
    assert alarm.cause == f"{name} rose from 4.00 % to 100.00 % within 50 parts"
    assert alarm.since_part == 50 * SUBGROUPS_LEARNT


def test_a_broken_run_rule_is_a_warning_and_voids_nothing() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=300, subgroup=50), KEY)
    for n in range(50 * SUBGROUPS_LEARNT):
        watch.update({}, Outcome.REJECT if n % 50 in (3, 9, 27 + n // 50 % 2 * 24) else Outcome.PASS)
    said = fed(watch, iter([{}] * 11), Outcome.REJECT) + fed(watch, iter([{}] * 39))
    assert [alarm.severity for alarm in said] == ["WARNING"]
    assert said[0].text == "reject rate from 5.04 % to 22.00 %: one point beyond 3 sigma; watch the next parts"
    assert watch.alarms == ()


def test_safe_mode_sends_passes_to_review_and_nothing_else() -> None:
    watch = drifted(safe_mode=True)
    assert watch.safe
    assert watch.alarms[0].consequence.endswith("what would pass goes to review (safe mode)")
    passed = PartResult(Verdict(Outcome.PASS, (), 0.1, "good"), (view(),))
    guarded = watch.guard(passed)
    assert guarded.verdict.outcome is Outcome.REVIEW
    alarm = watch.alarms[0]
    void = f"certificate void since part {alarm.part}: brightness"
    assert guarded.verdict.reasons == (f"safe mode: drift of brightness since part {alarm.since_part}", void)
    assert (guarded.verdict.defect_probability, guarded.verdict.label) == (0.1, "good")
    assert guarded.views == passed.views
    for outcome in set(Outcome) - {Outcome.PASS}:
        other = watch.guard(PartResult(Verdict(outcome, ("why",)), (view(outcome),)))
        assert other.verdict == Verdict(outcome, ("why", void))


def test_without_safe_mode_a_pass_stays_one_and_says_that_nothing_is_certified() -> None:
    watch = drifted()
    guarded = watch.guard(PartResult(Verdict(Outcome.PASS, (), 0.1, "good"), (view(),)))
    void = f"certificate void since part {watch.alarms[0].part}: brightness"
    assert watch.void == void
    assert guarded == PartResult(Verdict(Outcome.PASS, (void,), 0.1, "good"), (view(),))


def test_without_an_alarm_a_part_is_left_as_it_is() -> None:
    passed = PartResult(Verdict(Outcome.PASS), (view(),))
    watch = DriftWatch(DriftSettings(safe_mode=True), KEY)
    assert watch.void is None
    assert watch.guard(passed) is passed


def test_nothing_is_called_void_where_there_was_no_certificate() -> None:
    state = drifted().state()
    watch = DriftWatch(SETTINGS, KEY, state, certified=False)
    assert watch.void == f"drift, and no certificate, since part {state.alarms[0].part}: brightness"


def test_each_figure_that_drifted_is_named_once() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    fed(watch, parts(300))
    fed(watch, parts(100, brightness=-7.0, focus=-60.0))
    figures = [alarm.figure for alarm in watch.alarms]
    assert sorted(figures) == ["brightness", "focus"]
    assert watch.void == f"certificate void since part {watch.alarms[0].part}: {', '.join(figures)}"


@given(st.integers(1, 1500))
@settings(max_examples=15, deadline=None)
def test_a_restart_at_any_part_forgets_nothing(stop: int) -> None:
    values = [*parts(1200), *parts(300, seed=3, focus=-60.0)]
    whole, first = DriftWatch(SETTINGS, KEY), DriftWatch(SETTINGS, KEY)
    expected = fed(whole, iter(values))
    told = fed(first, iter(values[:stop]))
    second = DriftWatch(SETTINGS, KEY, WatchState.model_validate_json(first.state().model_dump_json()))
    assert [*told, *fed(second, iter(values[stop:]))] == expected
    assert second.state() == whole.state()


def test_a_memory_of_another_bundle_recipe_or_camera_is_not_used() -> None:
    state = drifted().state()
    for change in ("bundle", "recipe", "camera"):
        watch = DriftWatch(SETTINGS, KEY.model_copy(update={change: "x"}), state)
        assert (watch.parts, watch.alarms) == (0, ())
    assert DriftWatch(SETTINGS, KEY, state).parts == 400


def test_memory_does_not_grow_with_the_parts() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=300, subgroup=20), KEY)
    fed(watch, parts(1000))
    before = len(watch.state().model_dump_json())
    fed(watch, parts(20_000, seed=1))
    assert len(watch.state().model_dump_json()) < 1.1 * before


def test_a_point_has_every_chart() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=300, subgroup=50), KEY)
    fed(watch, parts(50 * SUBGROUPS_LEARNT + 40))
    point = watch.point()
    assert (point.camera, point.part) == ("top", 1290)
    assert set(point.levels) == set(point.usual) == set(USUAL) | set(RATES)
    assert set(point.evidence) == set(USUAL)
    assert point.levels["review rate"] == 0.0
    assert point.levels["brightness"] == pytest.approx(130, abs=2)


def test_figures_of_a_view_are_its_own() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    register, imaging = Register(), measure(image)
    for _ in range(PARTS_LEARNT):
        values = figures_of(view(), imaging, register)
        assert values["shift_x_px"] is values["shift_y_px"] is None
    values = figures_of(view(), imaging, register)
    assert set(values) == set(FIGURES)
    assert values["score"] == pytest.approx(math.log(0.1 / 0.9))
    assert [values[name] for name in ("novelty", "focus", "brightness", "dark_share", "saturated_share")] == [
        0.4,
        100,
        90,
        0.01,
        0.02,
    ]
    assert (values["redness"], values["blueness"]) == (imaging.redness, imaging.blueness)
    grain = imaging.grain
    assert (values["grain_x"], values["grain_y"], values["grain_aslant"]) == (
        grain.along_x,
        grain.along_y,
        grain.aslant,
    )
    assert (values["shift_x_px"], values["shift_y_px"]) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_a_view_without_a_prediction_has_no_score() -> None:
    unseen = ViewInspection("top", 1, "", Quality(1, 1, 0, 0), None, Verdict(Outcome.NOT_INSPECTED, ("why",)))
    values = figures_of(unseen, measure(np.zeros((40, 40, 3), np.uint8)), Register())
    assert values["score"] is values["novelty"] is None


def test_a_part_whose_picture_was_not_measured_leaves_colour_grain_and_position_out() -> None:
    values = figures_of(view(), None, Register())
    told = {name for name, value in values.items() if value is not None}
    assert told == {"score", "novelty", "focus", "brightness", "dark_share", "saturated_share"}


def test_a_view_s_outcome_counts_in_the_rates_and_its_picture_in_the_figures() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=100, subgroup=20), KEY)
    picture = measure(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    for _ in range(20 * SUBGROUPS_LEARNT + 40):
        watch.see(view(Outcome.REJECT), picture)
    point = watch.point()
    assert (point.levels["reject rate"], point.levels["review rate"]) == (1.0, 0.0)
    assert point.levels["grain_x"] == pytest.approx(picture.grain.along_x, abs=1e-5)
    assert point.levels["grain_x"] == round(point.levels["grain_x"], 5) != round(point.levels["grain_x"], 1)


def test_a_watch_sees_views() -> None:
    watch = DriftWatch(SETTINGS, KEY)
    assert watch.see(view(), measure(np.zeros((40, 40, 3), np.uint8))) == ()
    assert watch.parts == 1


@pytest.mark.parametrize(("probability", "odds"), [(0.5, 0.0), (0.0, -27.631), (1.0, 27.631), (0.9, 2.1972)])
def test_log_odds_stay_finite(probability: float, odds: float) -> None:
    assert log_odds(probability) == pytest.approx(odds, abs=1e-3)
    assert math.isnan(log_odds(math.nan))


@pytest.mark.parametrize("field", [{"learn_parts": 99}, {"false_alarm_parts": 1e3}, {"subgroup": 10}, {"speed": 1}])
def test_settings_are_bounded(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DriftSettings.model_validate(field)


def eventful(n: int) -> Iterator[tuple[dict[str, float | None], Outcome]]:
    """Every figure, each part's a little like that of the part before, and parts of every outcome."""
    rng = np.random.default_rng(5)
    latest = np.zeros(len(FIGURES))
    for part in range(n):
        latest = 0.5 * latest + rng.normal(size=len(FIGURES))
        told = (Outcome.PASS, Outcome.REVIEW, Outcome.REJECT)[part % 7 % 3]
        yield dict(zip(FIGURES, latest.tolist(), strict=True)), told


def test_figures_that_have_learnt_enough_by_one_part_are_made_ready_one_after_the_other() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=1000), KEY)
    learning = []
    for values, outcome in eventful(1200):
        watch.update(values, outcome)
        learning.append(len(watch.point().learning))
    ended = [before - after for before, after in pairwise(learning)]
    assert set(ended) == {0, 1}
    assert learning[999:1004] == [len(FIGURES)] * 5
    assert learning[1150:] == [0] * 50


def test_what_waits_for_the_learning_s_end_is_watched_after_it_and_nothing_is_lost() -> None:
    one, all_ = (DriftWatch(DriftSettings(learn_parts=1000), KEY) for _ in range(2))
    last, waited = list(FIGURES)[-1], 0
    for values, _ in eventful(1300):
        one.update({last: values[last]}, Outcome.PASS)
        all_.update(values, Outcome.PASS)
        waited = max(waited, len(all_.state().figures[last].learnt) if not all_.point().learning else 0)
    assert waited > 30
    assert all_.state().figures[last] == one.state().figures[last]
    assert all_.state().figures[last].learnt == ()


def recorded(seed: int, figure: str, shift: float) -> Iterator[tuple[dict[str, float | None], Outcome]]:
    """1,800 parts: half of the figures hang together, a quarter are coarse; from part 1,200 on one has changed."""
    rng = np.random.default_rng(seed)
    memory = np.array([0.5 * (place % 2) for place in range(len(FIGURES))])
    latest = np.zeros(len(FIGURES))
    for part in range(1800):
        latest = memory * latest + rng.normal(size=len(FIGURES))
        values = np.where(np.arange(len(FIGURES)) % 4 == 3, np.round(latest), latest)
        told: dict[str, float | None] = dict(zip(FIGURES, values.tolist(), strict=True))
        if part >= 1200:
            told[figure] = float(values[list(FIGURES).index(figure)]) + shift
        yield told, Outcome.REVIEW if rng.random() < (0.05 if part < 1500 else 0.6) else Outcome.PASS


STRANGE = "this line's parts are not those of the training set: {} of 900 are as unlike it as one held part in 20 was"
ROSE = "review rate rose from {} % to {} % within 40 parts"


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (
            (1, "brightness", -1.5),
            [
                ("novelty", 900, 0, STRANGE.format(176)),
                ("review rate", 1560, 1520, ROSE.format("3.80", "55.00")),
                (
                    "brightness",
                    1572,
                    1264,
                    "lamp fade, dirt or exposure: brightness fell from -0.1 to -1.7 over about 308 parts",
                ),
            ],
        ),
        (
            (3, "shift_x_px", 3.0),
            [
                ("novelty", 900, 0, STRANGE.format(192)),
                (
                    "shift_x_px",
                    1355,
                    1199,
                    "picture lies further right: position along x rose from 0.1 px to 3.2 px over about 156 parts",
                ),
                ("review rate", 1520, 1480, ROSE.format("4.90", "40.00")),
            ],
        ),
        (
            (5, "dark_share", -0.8),
            [
                ("novelty", 900, 0, STRANGE.format(192)),
                ("dark_share", 1282, 1248, "more light: dark share fell from 0.0178 to -1.5599 over about 34 parts"),
                ("review rate", 1520, 1480, ROSE.format("5.10", "42.50")),
            ],
        ),
    ],
)
def test_alarms_are_those_of_a_watch_that_ends_its_learning_at_once(
    stream: tuple[int, str, float], expected: list[tuple[str, int, int, str]]
) -> None:
    """Recorded when all the work of a learning's end was done with one part."""
    watch = DriftWatch(DriftSettings(learn_parts=900, subgroup=40), KEY)
    said = [alarm for values, outcome in recorded(*stream) for alarm in watch.update(values, outcome)]
    alarms = [alarm for alarm in said if alarm.severity == "ALARM"]
    assert [(alarm.figure, alarm.part, alarm.since_part, alarm.cause) for alarm in alarms] == expected


def test_a_change_while_values_wait_is_dated_to_the_part_it_began_with() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=1000), KEY)
    last = list(FIGURES)[-1]
    said: list[Alarm] = []
    for part, (values, outcome) in enumerate(eventful(1400)):
        said += watch.update({**values, last: 30.0 if part >= 1005 else values[last]}, outcome)
    (alarm,) = (each for each in said if each.figure == last)
    assert alarm.severity == "ALARM"
    assert 970 <= alarm.since_part <= 1020 < alarm.part < 1400


def test_no_part_costs_the_inspecting_thread_much() -> None:
    """Counted in calls, not by a clock: ending a learning, and fitting the rates, took tens of thousands for one part.

    A long calculation inside one call does not show, so that figures hang together here: their references are means of
    blocks, with tables of lengths that no other part has asked for.
    """
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    settings = DriftSettings(learn_parts=1100, subgroup=60)
    watch, most = DriftWatch(settings, KEY), 0
    for values, outcome in eventful(60 * SUBGROUPS_LEARNT + 60):
        calls = 0
        sys.setprofile(count)
        watch.update(values, outcome)
        sys.setprofile(None)
        most = max(most, calls)
    assert watch.point().learning == ()
    assert watch.state().figures["focus"].block > 1
    assert 100 < most < 700


def test_a_rate_that_falls_says_so() -> None:
    watch = DriftWatch(DriftSettings(learn_parts=300, subgroup=50), KEY)
    for _ in range(50 * SUBGROUPS_LEARNT):
        watch.update({}, Outcome.REVIEW)
    (alarm,) = fed(watch, iter([{}] * 50))
    assert alarm.cause == "review rate fell from 100.00 % to 0.00 % within 50 parts"
