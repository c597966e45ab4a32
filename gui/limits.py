"""The limits that judged the parts of a run: its recipe's, else its bundle's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, and_, select

from db.tables import BUNDLES, RECIPES, RUNS
from inspector.verdict import Policy

Limits = tuple[float, float]
"""`pass_below`, `reject_above`."""
CERTIFIED = "certified at "
"""With this the origin of limits begins that a certificate proved (`inspector.certificate.Certificate.short`)."""


def limits_of(connection: Connection, run_id: UUID) -> Limits | None:
    """None where neither says, as in rows of stations whose manifest was not kept."""
    return next((limits for one in _policies(connection, run_id) if (limits := _limits(one))), None)


def policy_of(connection: Connection, run_id: UUID) -> Policy | None:
    """The whole policy; None as above, or where what stands there is none."""
    return next((made for one in _policies(connection, run_id) if (made := _whole(one)) is not None), None)


def bundle_policy_of(connection: Connection, run_id: UUID) -> Policy | None:
    """The policy of the run's bundle, whatever its recipe says."""
    return _whole(_policies(connection, run_id)[1])


def _whole(policy: Mapping[str, Any]) -> Policy | None:
    try:
        return Policy.model_validate(policy)
    except ValidationError:
        return None


def _policies(connection: Connection, run_id: UUID) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The recipe's, then the bundle's; empty ones set nothing."""
    its_recipe = and_(RECIPES.c.name == RUNS.c.recipe, RECIPES.c.revision == RUNS.c.recipe_revision)
    query = (
        select(RECIPES.c.text, BUNDLES.c.manifest)
        .select_from(RUNS)
        .join(RECIPES, its_recipe)
        .join(BUNDLES, BUNDLES.c.bundle_id == RUNS.c.bundle_id)
        .where(RUNS.c.run_id == run_id)
    )
    row = connection.execute(query).one()
    return _policy(row.text), row.manifest.get("limits") or {}


def _policy(recipe: str) -> Mapping[str, Any]:
    """What the recipe sets; stations write it as JSON, and whatever else stands there sets nothing."""
    try:
        content = json.loads(recipe)
    except json.JSONDecodeError:
        return {}
    policy = content.get("policy") if isinstance(content, dict) else None
    return policy if isinstance(policy, dict) else {}


def _limits(policy: Mapping[str, Any]) -> Limits | None:
    pair = [policy.get(name) for name in ("pass_below", "reject_above")]
    low, high = pair
    return (float(low), float(high)) if isinstance(low, int | float) and isinstance(high, int | float) else None
