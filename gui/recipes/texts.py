"""What the recipe screen says."""

from __future__ import annotations

from gui.badges import outcome_word
from gui.figures.tiles import percent
from gui.recipes.controller import RecipesController
from gui.recipes.fields import GENERAL, Entry, Fault
from gui.recipes.learning import Learned
from gui.recipes.trial import Trial
from gui.words import tr


def section_word(section: str) -> str:
    words = {
        GENERAL: tr("General"),
        "roi": tr("Region of interest"),
        "quality": tr("Limits on the picture"),
        "policy": tr("Limits on the probability"),
        "rules": tr("Rules on findings"),
        "gate": tr("Gate for retrained bundles"),
        "drift": tr("Drift watch"),
        "cameras": tr("Camera settings"),
        "runtime": tr("Runtime"),
    }
    return words.get(section, section)


def section_hint(section: str, cameras: tuple[str, ...]) -> str:
    if section == "policy":
        return tr("Limits on the probability are changed in What if, which asks for a second person where one is due.")
    if section == "rules":
        return tr("One rule a line, for example:\n{rule}", rule='label = "scratch", measure = "longest_px", above = 40')
    if section == "cameras":
        known = ", ".join(cameras) or tr("none on record")
        return tr("One feature a line, for example top.ExposureTime = 5000. Cameras: {cameras}", cameras=known)
    if section == "roi":
        return tr("Draw it on the picture (R), or type it. Without any number the whole frame is judged.")
    return ""


def fault_text(fault: Fault | None) -> str:
    if fault is None:
        return ""
    words = _fault_words(fault)
    return f"{fault.where}: {words}" if fault.where else words


def _fault_words(fault: Fault) -> str:
    for name, words in _bound_words().items():
        if name in fault.bounds:
            return words.format(bound=f"{fault.bounds[name]:g}")
    known = {
        "missing": tr("missing; expected a value"),
        "float_parsing": tr("expected a number"),
        "int_parsing": tr("expected a whole number"),
        "int_from_float": tr("expected a whole number"),
        "finite_number": tr("expected a finite number"),
        "extra_forbidden": tr("no such field"),
    }
    if fault.kind == "toml":
        return tr("cannot be read: {words}", words=fault.words)
    return known.get(fault.kind, fault.words.removeprefix("Value error, "))


def _bound_words() -> dict[str, str]:
    """By what pydantic calls each kind of bound."""
    return {
        "ge": tr("expected {bound} or more"),
        "gt": tr("expected more than {bound}"),
        "le": tr("expected {bound} or less"),
        "lt": tr("expected less than {bound}"),
    }


def default_text(entry: Entry) -> str:
    return tr("default: {value}", value=entry.default) if entry.default else tr("not set")


def about_text(controller: RecipesController) -> str:
    opened = controller.opened
    if opened is None:
        return "" if controller.reading else tr("No recipe has run on this database yet.")
    words = [tr("as it ran") if opened.number == 0 else tr("revision {number}", number=opened.number)]
    if opened.history:
        last = opened.history[0]
        words.append(tr("by {person}: {reason}", person=last.person, reason=last.reason))
    if controller.edited:
        words.append(tr("{n} fields changed", n=len(controller.draft.edits)))
    return "  ·  ".join(words)


def message_text(controller: RecipesController) -> str:
    if controller.error:
        return tr("{error}\nEverything that you typed is still here.", error=controller.error)
    if controller.saved is not None:
        return tr(
            "Saved as revision {number} of {recipe}. A station runs it once its own configuration has it.",
            number=controller.saved.number,
            recipe=controller.saved.recipe,
        )
    if controller.taken_in:
        return tr(
            "Somebody else changed {fields}. Your changes lie on top of that revision.",
            fields=", ".join(controller.taken_in),
        )
    if controller.opened is not None and not controller.may_save:
        return tr("Your role may look at recipes and not change them.")
    return ""


def learned_text(learned: Learned) -> str:
    return tr(
        "Learned from {frames} frames of passed parts: {beyond} of them break a limit; of further frames like these at "
        "most {bound} do (95 %). Passed frames met the limits of their time.",
        frames=learned.frames,
        beyond=learned.beyond,
        bound=percent(learned.bound),
    )


def trial_text(controller: RecipesController) -> str:
    """What the dry run found, as long as it is about what is written."""
    tried = controller.tried
    if controller.busy and tried is None:
        return tr("Working ...")
    if tried is None:
        return tr("A dry run judges recorded parts again before you save.")
    if tried.recipe != controller.written.recipe:
        return tr("The recipe was changed since the dry run: run it again.")
    return "\n".join(_trial_lines(tried.trial))


def _trial_lines(trial: Trial) -> list[str]:
    lines, changed = [], trial.changed
    if trial.pictures:
        fields = ", ".join(trial.pictures)
        lines.append(
            tr("Pictures would have to be judged again for {fields}: stored figures do not tell.", fields=fields)
        )
    if changed is not None:
        words = tr("{count} of {n} recorded parts would be judged otherwise; at most {share} (95 %)")
        lines.append(words.format(count=changed.count, n=changed.n, share=percent(changed.upper())))
        lines += [
            tr("{count}: {before} becomes {after}", count=n, before=outcome_word(before), after=outcome_word(after))
            for (before, after), n in sorted(trial.flips.items(), key=lambda pair: -pair[1])
        ]
    elif not trial.pictures:
        lines.append(tr("No recorded part could be judged again."))
    if trial.left_out:
        lines.append(tr("{n} parts left out: stored figures do not give their outcome", n=trial.left_out))
    return lines
