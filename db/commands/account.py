"""`inspector db account add|list|role|password|disable|enable`: who may sign in."""

from __future__ import annotations

import argparse
import getpass
import sys

from db.commands import add_database, reading, writing

HELP = "make, list and change accounts; every change is in the audit log"
ROLES = ("operator", "engineer", "quality", "admin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="account_verb", metavar="add|list|role|password|disable|enable", required=True)
    helps = {
        "add": "make an account; the password is asked for, or read from standard input",
        "role": "give an account another role",
        "password": "set a password, and open a locked account",
        "disable": "let nobody sign in with it",
        "enable": "undo disable, and a lock",
    }
    for name, words in helps.items():
        verb = verbs.add_parser(name, help=words)
        verb.add_argument("name", metavar="NAME")
        verb.add_argument("--by", metavar="NAME", required=True, help="who does it")
        verb.add_argument("--reason", metavar="WORDS", required=True, help="why")
        if name in ("add", "role"):
            verb.add_argument("--role", choices=ROLES, required=True)
        if name == "add":
            verb.add_argument("--full-name", metavar="WORDS", default="")
        add_database(verb)
    add_database(verbs.add_parser("list", help="show every account"))


def run(args: argparse.Namespace) -> int:
    if args.account_verb == "list":
        return _list(args)
    password = _password(args.name) if args.account_verb in ("add", "password") else ""
    from db import accounts

    by = accounts.By(args.by, args.reason)
    with writing(args) as connection:
        if args.account_verb == "add":
            accounts.add_account(connection, args.name, accounts.Role(args.role), password, by, args.full_name)
        elif args.account_verb == "role":
            accounts.set_role(connection, args.name, accounts.Role(args.role), by)
        elif args.account_verb == "password":
            accounts.set_password(connection, args.name, password, by)
        else:
            change = accounts.disable if args.account_verb == "disable" else accounts.enable
            change(connection, args.name, by)
    print(f"account {args.name}: {args.account_verb} done, by {args.by}")
    return 0


def _password(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"password of {name}: ")
    return sys.stdin.readline().rstrip("\n")


def _list(args: argparse.Namespace) -> int:
    from db.accounts import all_accounts
    from db.records import utc_now

    with reading(args) as connection:
        found = all_accounts(connection)
    for account in found:
        locked = account.locked_until is not None and account.locked_until > utc_now()
        state = "disabled" if account.disabled_at else "locked" if locked else "open"
        print(f"{account.name:<24} {account.role:<9} {state:<9} {account.full_name}")
    return 0
