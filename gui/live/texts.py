"""What the live view says."""

from __future__ import annotations

from datetime import datetime

from gui.live.figures import StationFigures
from gui.live.stream import Heard
from gui.words import tr
from inspector.risk import Rate

CONFIDENCE = 0.95
AGED_S = 1.0


def yield_text(passed: Rate | None) -> tuple[str, str]:
    """The share of passes, and its count and bound."""
    if passed is None:
        return "-", tr("no part has a verdict yet")
    count = tr("{count} of the last {n} passed", count=passed.count, n=passed.n)
    bound = tr("at least {share} % with 95 % confidence", share=f"{100 * passed.lower(CONFIDENCE):.1f}")
    return f"{100 * passed.value:.1f} %", f"{count}; {bound}".replace(" %", "\N{NO-BREAK SPACE}%")


def direct_text(camera: str, age_s: float) -> str:
    """Whose live picture it is; its age where it stands still."""
    if age_s < AGED_S:
        return tr("Live picture of {camera}", camera=camera)
    return tr("Live picture of {camera}, {age} s old", camera=camera, age=f"{age_s:.0f}")


def run_text(station: StationFigures) -> str:
    if station.ended_at is None:
        return tr("running since {time}", time=_clock(station.started_at))
    if station.clean:
        return tr("stopped at {time}", time=_clock(station.ended_at))
    return tr("ended without saying so, found at {time}", time=_clock(station.ended_at))


def state_text(state: str) -> str:
    """A state of NAMUR NE 107; one that is not known stands for itself."""
    words = {
        "failure": tr("failure"),
        "check_function": tr("function check"),
        "out_of_specification": tr("out of specification"),
        "maintenance_required": tr("maintenance required"),
        "good": tr("good"),
    }
    return words.get(state, state)


def stream_text(heard: Heard | None) -> str:
    """Whether the station itself is heard; empty where no port of it is configured."""
    if heard is None:
        return ""
    if heard.connected:
        return tr("heard live from the station")
    since = _clock(heard.heard_at) if heard.heard_at else tr("the start")
    return tr(
        "nothing heard from the station since {time}: {words}; it is tried again every 2 s",
        time=since,
        words=heard.words,
    )


def stale_text(stale_since: datetime | None, error: str) -> str:
    if stale_since is None:
        return ""
    return tr(
        "What you see is of {time}: {error}. It is tried again every second; nothing is needed from you.",
        time=_clock(stale_since),
        error=error,
    )


def _clock(moment: datetime) -> str:
    local = moment.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == datetime.now().astimezone().date() else f"{local:%Y-%m-%d %H:%M}"
