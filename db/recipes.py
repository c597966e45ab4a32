"""Recipes as persons save them: each revision stays, with who, when, why, and a row in the audit log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, insert, select

from db.audit_log import Change, record_change
from db.entries import insert_new
from db.plant_tables import RECIPE_REVISIONS
from db.records import utc_now
from db.tables import RECIPES
from inspector.errors import RecipeError


@dataclass(frozen=True, slots=True)
class RecipeRevision:
    """A revision to be saved. `revision` is what the recipe calls itself, or the hash of its text."""

    name: str
    text: str
    person: str
    reason: str
    second_person: str | None = None
    """Who else agreed, where the change asks for two."""
    revision: str = ""
    at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class SavedRevision:
    """A revision as it is on record."""

    name: str
    number: int
    revision: str
    text: str
    person: str
    second_person: str | None
    reason: str
    at: datetime


def save_revision(connection: Connection, recipe: RecipeRevision) -> int:
    """Save a recipe as the next revision of its name, and return its number.

    Raises:
        RecipeError: no reason, one person in two roles, or the text of the revision before.
    """
    if not recipe.name.strip() or not recipe.reason.strip():
        raise RecipeError(f"recipe {recipe.name!r}: expected a name, and a reason for the change")
    if recipe.second_person == recipe.person:
        raise RecipeError(f"recipe {recipe.name!r}: the second person is {recipe.person} again; expected another one")
    before = current_revision(connection, recipe.name)
    if before is not None and before.text == recipe.text:
        raise RecipeError(f"recipe {recipe.name!r}: revision {before.number} says the same; expected a change")
    revision = recipe.revision or hashlib.sha256(recipe.text.encode()).hexdigest()
    row = {"name": recipe.name, "revision": revision}
    connection.execute(insert_new(connection, RECIPES), row | {"text": recipe.text})
    saved = {name: getattr(recipe, name) for name in ("person", "second_person", "reason", "at")}
    number = before.number + 1 if before else 1
    audit = record_change(connection, _change(recipe, revision, number, before))
    connection.execute(insert(RECIPE_REVISIONS), row | saved | {"number": number, "audit_sequence": audit})
    return number


def current_revision(connection: Connection, name: str) -> SavedRevision | None:
    """The newest revision of a name; None where nobody saved one."""
    found = revisions(connection, name)
    return found[-1] if found else None


def revisions(connection: Connection, name: str) -> list[SavedRevision]:
    """Every revision of a name, oldest first."""
    columns = [RECIPE_REVISIONS.c[name] for name in ("name", "number", "revision")]
    people = [RECIPE_REVISIONS.c[name] for name in ("person", "second_person", "reason", "at")]
    query = (
        select(*columns, RECIPES.c.text, *people)
        .join(
            RECIPES, (RECIPES.c.name == RECIPE_REVISIONS.c.name) & (RECIPES.c.revision == RECIPE_REVISIONS.c.revision)
        )
        .where(RECIPE_REVISIONS.c.name == name)
        .order_by(RECIPE_REVISIONS.c.number)
    )
    return [SavedRevision(**row) for row in connection.execute(query).mappings()]


def _change(recipe: RecipeRevision, revision: str, number: int, before: SavedRevision | None) -> Change:
    new = {"number": number, "revision": revision, "text": recipe.text, "second_person": recipe.second_person}
    old = {"number": before.number, "revision": before.revision, "text": before.text} if before else None
    return Change(recipe.person, "recipe revised", f"recipe {recipe.name}", recipe.reason, old, new, recipe.at)
