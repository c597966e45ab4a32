"""The recipe that a database has: as it was saved last, else as it ran last."""

from __future__ import annotations

import json

from pydantic import ValidationError
from sqlalchemy import Connection, select

from db.recipes import current_revision
from db.tables import RECIPES, RUNS
from inspector.errors import RecipeError
from inspector.recipe import Recipe


def in_force(connection: Connection, name: str) -> tuple[int, Recipe]:
    """The recipe, and the number of its revision; 0 where nobody saved one.

    Raises:
        RecipeError: it never ran here, or what is on record is no recipe.
    """
    saved = current_revision(connection, name)
    text = saved.text if saved is not None else _text_that_ran(connection, name)
    return (0 if saved is None else saved.number), recipe_of(name, text)


def recipe_of(name: str, text: str) -> Recipe:
    try:
        return Recipe.model_validate({**json.loads(text), "name": name})
    except (json.JSONDecodeError, ValidationError, TypeError) as error:
        raise RecipeError(f"recipe {name!r}: its text on record is not that of a recipe ({error})") from error


def _text_that_ran(connection: Connection, recipe: str) -> str:
    its_recipe = (RECIPES.c.name == RUNS.c.recipe) & (RECIPES.c.revision == RUNS.c.recipe_revision)
    query = select(RECIPES.c.text).join(RUNS, its_recipe).where(RUNS.c.recipe == recipe)
    text = connection.execute(query.order_by(RUNS.c.started_at.desc()).limit(1)).scalar()
    if text is None:
        raise RecipeError(f"recipe {recipe!r}: it never ran here; expected one that did")
    return str(text)
