"""What the stations screen says."""

from __future__ import annotations

from db.challenges import ChallengePart
from db.records import Severity, utc_now
from gui.badges import outcome_word
from gui.live.stream import Device, Heard
from gui.live.texts import stale_text, state_text, stream_text
from gui.naming import day_and_time, short
from gui.order_texts import order_line, order_word
from gui.stations.board import ALARMS_COUNTED, Board, Challenge, Reported, RunNow
from gui.stations.controller import StationsController
from gui.words import tr

UNKNOWN = ""
"""The state of a station that is not heard: the database knows what happened, not how it does now."""


def severity_word(severity: Severity) -> str:
    return {
        Severity.INFO: tr("Note"),
        Severity.WARNING: tr("Warning"),
        Severity.ALARM: tr("Alarm"),
    }[severity]


def health_state(heard: Heard | None) -> str:
    return heard.state if heard is not None and heard.connected else UNKNOWN


def health_word(board: Board, heard: Heard | None) -> str:
    """The station's own state, else what its run says."""
    state = health_state(heard)
    return state_text(state) if state else _run_text(board.run)


def about_text(board: Board, heard: Heard | None) -> str:
    lines = [] if heard is None else [stream_text(heard)]
    if heard is None:
        lines.append(tr("Its own port is not listened to (--station): what stands here is the database's."))
    elif heard.connected:
        lines.append(tr("the line may run") if heard.may_run else tr("the line may not run"))
    if board.run is not None:
        lines.append(_run_text(board.run))
        lines.append(tr("{bundle} under {recipe}", bundle=short(board.run.bundle_id), recipe=board.run.recipe))
    alarms = f"{board.open_alarms}+" if board.open_alarms == ALARMS_COUNTED else str(board.open_alarms)
    lines.append(tr("alarms that nobody has acknowledged: {n}", n=alarms))
    return "\n".join(lines)


def device_line(device: Device) -> str:
    return f"{device.name}\n{state_text(device.state)}: {device.words}"


def event_line(reported: Reported) -> str:
    event = reported.event
    mark = seen_text(reported) if reported.seen or event.severity is not Severity.ALARM else tr("waits for a person")
    head = f"{day_and_time(event.at)}  ·  {severity_word(event.severity)}  ·  {event.kind}"
    return f"{head}\n{event.message}" + (f"\n{mark}" if mark else "")


def seen_text(reported: Reported) -> str:
    return ", ".join(
        tr("seen by {person}", person=one.person) + (f": {one.note}" if one.note else "") for one in reported.seen
    )


def wanted_actual_text(board: Board) -> str:
    """What is wanted, and what is so."""
    wanted = [given for given in board.orders if given.settled_at is None]
    lines = [order_line(given) for given in wanted] or [tr("Nothing is wanted that is not so.")]
    if board.held_by is not None:
        held = board.held_by.order
        lines.append(tr("held by {person}: {reason}", person=held.person, reason=held.reason))
    if board.line_hold is not None:
        lines.append(tr("the line is held: {reason}", reason=board.line_hold))
    return "\n".join(lines)


def orders_hint(board: Board | None) -> str:
    if board is None or board.reads_orders:
        return ""
    return tr("{station} reads orders in its own ledger, which this database is not.", station=board.station)


def challenges_text(board: Board, heard: Heard | None) -> str:
    """What the station itself says is due, then each registered part."""
    lines = [each.words for each in _devices(heard) if each.name == "challenge"]
    lines += [_challenge_text(each) for each in board.challenges]
    return "\n".join(lines) or tr("No part of known truth is registered.")


def self_test_text(board: Board) -> str:
    lines = []
    if board.self_test is not None:
        event = board.self_test
        failed = event.severity is Severity.ALARM
        said = tr("failed at {time}") if failed else tr("passes since {time}")
        lines.append(f"{said.format(time=day_and_time(event.at))}: {event.message}")
    else:
        lines.append(tr("No self-test has failed. One is done at each start, and as often as the station is told to."))
    if board.tested is not None:
        lines.append(order_line(board.tested))
    return "\n".join(lines)


def message_text(controller: StationsController) -> str:
    if controller.stale_since is not None:
        return stale_text(controller.stale_since, controller.stale_words)
    if controller.error:
        return tr("{error}\nWhat you typed is still here.", error=controller.error)
    if controller.ordered is not None:
        return tr("Ordered: {kind}. The list of orders says what comes of it.", kind=order_word(controller.ordered))
    return ""


def _devices(heard: Heard | None) -> tuple[Device, ...]:
    return heard.devices if heard is not None and heard.connected else ()


def _run_text(run: RunNow | None) -> str:
    if run is None:
        return tr("has never run")
    if run.ended_at is None:
        return tr("running since {time}", time=day_and_time(run.started_at))
    if run.clean:
        return tr("stopped at {time}", time=day_and_time(run.ended_at))
    return tr("ended without saying so, found at {time}", time=day_and_time(run.ended_at))


def _challenge_text(each: Challenge) -> str:
    part, shown = each.part, each.shown
    expected = outcome_word(part.expected) + (f" ({part.label})" if part.label else "")
    head = tr("{code}, must be {expected}", code=part.code, expected=expected)
    if not part.is_valid(utc_now()):
        return f"{head}: {_not_valid(part)}"
    if shown is None:
        return f"{head}: {tr('never shown')}"
    words = {True: tr("met"), False: tr("missed"), None: tr("not judged")}[shown.met]
    return f"{head}: {day_and_time(shown.at)}, {outcome_word(shown.outcome)}, {words}"


def _not_valid(part: ChallengePart) -> str:
    if part.valid_to is not None and part.valid_to <= utc_now():
        return tr("no longer valid since {time}", time=day_and_time(part.valid_to))
    return tr("valid from {time}", time=day_and_time(part.valid_from))
