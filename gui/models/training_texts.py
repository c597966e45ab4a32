"""What the models screen says of trainings."""

from __future__ import annotations

from db.jobs import JobState, JobStatus
from db.material.enough import Enough
from db.material.previewing import Preview
from gui.models.trainings import Line, TrainingsController
from gui.naming import day_and_time, short
from gui.words import tr


def job_state_word(state: JobState) -> str:
    return {
        JobState.QUEUED: tr("waits for a worker"),
        JobState.LEASED: tr("is being prepared"),
        JobState.RUNNING: tr("runs"),
        JobState.SUCCEEDED: tr("succeeded"),
        JobState.FAILED: tr("failed"),
        JobState.CANCELLED: tr("cancelled"),
    }[state]


def job_line(one: JobStatus) -> str:
    job = one.job
    made = "" if one.bundle_id is None else f"  ·  {tr('bundle {bundle}', bundle=short(one.bundle_id))}"
    head = f"{day_and_time(job.queued_at)}  ·  {job.recipe}  ·  {job_state_word(one.state)} {100 * one.progress:.0f} %"
    return f"{head}{made}\n{job.person}: {job.reason}"


def job_text(one: JobStatus, log: tuple[Line, ...]) -> str:
    """What is known of a training, line by line."""
    lines = [one.message or tr("It said nothing yet.")]
    if one.attempt:
        lines.append(tr("attempt {n} of {most}", n=one.attempt, most=one.job.most_attempts))
    if one.lease_owner is not None and one.heartbeat_at is not None:
        lines.append(
            tr("worker {name}, last heard at {time}", name=one.lease_owner, time=day_and_time(one.heartbeat_at))
        )
    if one.ended_at is not None:
        lines.append(tr("ended at {time}", time=day_and_time(one.ended_at)))
    heard = [f"{day_and_time(each.at)}  {each.message}" for each in reversed(log)]
    return "\n".join([*lines, "", tr("Said since this window looks, the newest first:"), *heard] if heard else lines)


def preview_text(preview: Preview) -> str:
    short_of = [one.label for one in preview.classes if one.missing]
    counted = tr("{n} labelled parts, until now", n=preview.parts)
    if not short_of:
        return f"{counted}  ·  {tr('labelled enough')}"
    return f"{counted}  ·  {tr('not labelled enough of {names}', names=', '.join(short_of))}"


def preview_rows(preview: Preview) -> tuple[tuple[str, ...], ...]:
    """A row for each label; of the classes in it the last columns."""
    classes = {one.label: one for one in preview.classes}
    return tuple(
        (one.label, str(one.train), str(one.val), str(one.test), *_enough(classes.get(one.label)))
        for one in preview.counts
    )


def aside_text(preview: Preview) -> str:
    if not preview.set_aside:
        return ""
    listed = "; ".join(f"{count}: {why}" for why, count in preview.set_aside)
    return tr("Set aside: {listed}", listed=listed)


def message_text(controller: TrainingsController) -> str:
    if controller.error:
        return tr("{error}\nYour reason is still here.", error=controller.error)
    if controller.queued:
        return tr("The training waits for a worker (`inspector retrain work`).")
    if controller.session is not None and not controller.may_train:
        return tr("Your role may look at trainings, and start none.")
    return ""


def _enough(one: Enough | None) -> tuple[str, str]:
    if one is None:
        return "", tr("several classes at once")
    groups = tr("{n} of {needed}", n=one.tested, needed=one.tested_needed)
    if one.tested < one.tested_needed:
        return groups, tr("about {n} more groups", n=one.more_groups)
    return groups, tr("label more of it") if one.missing else tr("enough")
