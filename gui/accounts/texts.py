"""What the accounts screen says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from db.accounts import Account, Role
from db.audit_log import Entry
from db.audit_proof import Examination, Fault
from db.records import utc_now
from gui.accounts.controller import AccountsController
from gui.accounts.desk import Act
from gui.words import tr


def role_words() -> dict[Role, str]:
    return {
        Role.OPERATOR: tr("operator"),
        Role.ENGINEER: tr("process engineer"),
        Role.QUALITY: tr("quality engineer"),
        Role.ADMIN: tr("administrator"),
    }


def moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def state_word(account: Account) -> str:
    if account.disabled_at is not None:
        return tr("disabled")
    if account.locked_until is not None and account.locked_until > utc_now():
        return tr("locked until {time}", time=f"{account.locked_until.astimezone():%H:%M}")
    return tr("open")


def message_text(controller: AccountsController) -> str:
    if controller.error:
        return tr("{error}\nEverything that you typed is still here.", error=controller.error)
    if controller.session is not None and not (controller.may_manage or controller.may_audit):
        return tr("Your role neither manages accounts nor reads the audit log.")
    if controller.done is None:
        return ""
    name = controller.done.name
    return {
        Act.MAKE: tr("{name} may sign in.", name=name),
        Act.ROLE: tr("{name} has another role.", name=name),
        Act.PASSWORD: tr("{name} has a new password and has to sign in again.", name=name),
        Act.DISABLE: tr("{name} may not sign in any more.", name=name),
        Act.ENABLE: tr("{name} may sign in again.", name=name),
        Act.END_SESSIONS: tr("{name} has to sign in again.", name=name),
    }[controller.done.act]


def sessions_text(controller: AccountsController) -> str:
    if controller.people is None or not controller.chosen:
        return ""
    found = controller.people.of(controller.chosen)
    if not found:
        return tr("Not signed in anywhere.")
    lines = [
        tr(
            "{place}: since {began}, last seen {seen}",
            place=one.place,
            began=moment(one.began_at),
            seen=moment(one.seen_at),
        )
        for one in found
    ]
    return "\n".join(lines)


def entry_text(entry: Entry) -> str:
    """All of a row: who, why, and what became of what."""
    lines = [tr("Row {number}: {person}, {action}", number=entry.sequence, person=entry.person, action=entry.action)]
    lines.append(tr("Reason: {reason}", reason=entry.reason or tr("none was asked for")))
    return "\n".join([*lines, "", *differences(entry.old, entry.new)])


def differences(old: str | None, new: str | None) -> list[str]:
    """What became of what, a field a line; a field that stayed as it was is left out."""
    before, after = _fields(old), _fields(new)
    paths = [path for path in dict.fromkeys((*before, *after)) if before.get(path) != after.get(path)]
    if not before:
        return [f"{path}: {_said(after[path])}" for path in paths]
    return [f"{path}: {_said(before.get(path))} → {_said(after.get(path))}" for path in paths]


def examination_text(controller: AccountsController) -> str:
    """The verdict on the log, with how far it reaches."""
    if controller.examining:
        return tr("Reading the whole log ...")
    found = controller.examined
    if found is None:
        return tr("Verify reads the whole log and names the first row that is not as it was written.")
    if found.finding is not None:
        words = fault_word(found.finding.fault)
        return tr(
            "Not sound. {where}: {fault}; {detail}", where=found.finding.where, fault=words, detail=found.finding.detail
        )
    return _sound(found, controller.with_key)


def fault_word(fault: Fault) -> str:
    return {
        Fault.ALTERED: tr("altered"),
        Fault.MISSING: tr("missing"),
        Fault.MOVED: tr("moved"),
        Fault.UNSIGNED: tr("its signature does not hold"),
    }[fault]


def _sound(found: Examination, with_key: bool) -> str:
    chain = tr("{rows} rows in an unbroken chain", rows=found.rows)
    if not with_key:
        return tr("{chain}. Signatures were not looked at: name the public key for that.", chain=chain)
    if not found.signed_to:
        return tr("{chain}. None of them is signed.", chain=chain)
    since = found.rows - found.signed_to
    return tr("{chain}, signed to row {row}; {since} since then", chain=chain, row=found.signed_to, since=since)


def _fields(value: str | None) -> dict[str, Any]:
    return {} if value is None else dict(_flat("", _document(value)))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each value by its path. The text of a recipe is a document in a document, and is opened."""
    inner = _document(value) if isinstance(value, str) and value.startswith("{") else value
    if isinstance(inner, dict) and inner:
        for name, each in inner.items():
            yield from _flat(f"{path}.{name}" if path else name, each)
    elif inner is not None:
        yield path, inner


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _said(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
