"""What the accounts screen says."""

from __future__ import annotations

import json
from datetime import datetime

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
    for word, value in ((tr("Before"), entry.old), (tr("After"), entry.new)):
        if value is not None:
            lines.append(f"{word}: {_readable(value)}")
    return "\n".join(lines)


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


def _readable(value: str) -> str:
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except json.JSONDecodeError:
        return value
