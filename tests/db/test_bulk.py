"""Rows of a batch, as one document or one by one: what is stored is what was given."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import StatementError

from db.bulk import add_new
from db.engine import open_engine
from db.tables import BUNDLES, STATIONS

ODD = ("", "null", '"', "\\", "{}", "\u2028 %s :x", "\U0001f600", "it's; --", "\x01\x1f")


@pytest.mark.parametrize("as_document", [True, False])
def test_odd_values_are_stored_as_they_are_both_ways(engine: Engine, as_document: bool) -> None:
    rows = [
        {"bundle_id": f"{number}", "task": word[:32], "classes": [word, number / 3], "manifest": {word: [None, 2**53]}}
        for number, word in enumerate(ODD)
    ]
    with engine.begin() as connection:
        assert add_new(connection, BUNDLES, rows, as_document=as_document) == len(rows)
        assert add_new(connection, BUNDLES, rows, as_document=as_document) == 0
        stored = connection.execute(select(BUNDLES).order_by(BUNDLES.c.bundle_id)).mappings().all()
    assert [dict(row) for row in stored] == rows


def test_a_text_that_is_no_unicode_is_left_to_the_driver(server: Any) -> None:
    with server.database() as url:
        plant = open_engine(url)
        with plant.connect() as connection, pytest.raises((StatementError, UnicodeEncodeError)):
            add_new(connection, STATIONS, [{"name": "\ud800"}])
        plant.dispose()
