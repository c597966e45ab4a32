from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from inspector.errors import RecipeError
from inspector.recipe import Recipe, load_recipe


def written(folder: Path, text: str) -> Path:
    path = folder / "lid.toml"
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_empty_recipe_is_the_default_one(tmp_path: Path) -> None:
    assert load_recipe(written(tmp_path, "")) == Recipe()


def test_a_recipe_is_read_field_by_field(tmp_path: Path) -> None:
    text = (
        'name = "lid"\nprecision = "float"\nroi = { x = 1, y = 2, width = 30, height = 40 }\n'
        "[quality]\nmin_focus = 3.5\n[policy]\npass_below = 0.1\nreject_above = 0.9\n[runtime]\nthreads = 2\n"
    )
    recipe = load_recipe(written(tmp_path, text))
    assert (recipe.name, recipe.precision, recipe.quality.min_focus, recipe.runtime.threads) == ("lid", "float", 3.5, 2)
    assert recipe.roi is not None
    assert (recipe.roi.x, recipe.roi.height) == (1, 40)
    assert recipe.policy is not None
    assert recipe.policy.reject_above == 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmae = 'lid'", "nmae: unknown field"),
        ("[quality]\nfocus = 1", "quality.focus: unknown field"),
        ("precision = 'int4'", "precision: input should be 'float', 'cpu-int8' or 'trt-int8' (got 'int4')"),
        ("name = ''", "name: string should have at least 1 character"),
        ("[quality]\nmin_brightness = 256", "quality.min_brightness: input should be less than or equal to 255"),
        ("[quality]\nmin_focus = nan", "quality.min_focus: input should be a finite number"),
        ("[policy]\npass_below = 0.5", "policy.reject_above: missing"),
        ("[policy]\npass_below = 0.9\nreject_above = 0.1", "pass_below 0.9 must not exceed reject_above 0.1"),
        ("[runtime]\nthreads = 1.5", "runtime.threads: input should be a valid integer"),
        ("roi = { x = -1, y = 0, width = 9, height = 9 }", "roi.x: input should be greater than or equal to 0"),
        ("name = ", "not TOML"),
        ("name = 'a'\nname = 'b'", "not TOML"),
    ],
)
def test_a_fault_is_told_with_file_and_field(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(written(tmp_path, text))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = "colour = 'red'\nprecision = 8\n[quality]\nmax_repeats = -1\n[runtime]\nthreads = 999\n"
    told = refusal(written(tmp_path, text))
    for field in ("colour", "precision", "quality.max_repeats", "runtime.threads"):
        assert f"{field}: " in told


def test_a_missing_file_or_one_that_is_no_text_is_named(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refusal(tmp_path / "gone.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "not TOML" in refusal(path)


def test_the_revision_follows_the_settings_and_not_how_they_are_written(tmp_path: Path) -> None:
    plain = load_recipe(written(tmp_path, "name = 'lid'\n[quality]\nmin_focus = 2\n"))
    spaced = load_recipe(written(tmp_path, "# comment\nname='lid'\nquality = { min_focus = 2.0 }\n"))
    other = load_recipe(written(tmp_path, "name = 'lid'\n[quality]\nmin_focus = 2.1\n"))
    assert plain.revision() == spaced.revision() != other.revision()


def test_every_number_of_a_recipe_is_bounded_and_every_field_described() -> None:
    for name, schema in fields(Recipe.model_json_schema()):
        assert schema.get("description") or "$ref" in str(schema), f"{name} has no description"
        if schema.get("type") in ("number", "integer"):
            assert {"minimum", "exclusiveMinimum"} & set(schema), f"{name} has no least value"
            assert {"maximum", "exclusiveMaximum"} & set(schema) or name in UNBOUNDED, f"{name} has no greatest value"


UNBOUNDED = {"Roi.x", "Roi.y", "Roi.width", "Roi.height"}
"""A region of interest is clipped to the frame."""


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for owner, table in [("Recipe", schema), *schema["$defs"].items()]:
        for field, described in table["properties"].items():
            yield f"{owner}.{field}", described
            for choice in described.get("anyOf", ()):
                if choice.get("type") in ("number", "integer"):
                    yield f"{owner}.{field}", {**choice, "description": "the field's"}


def test_a_recipe_is_frozen() -> None:
    assert issubclass(Recipe, BaseModel)
    with pytest.raises(ValueError, match="frozen"):
        Recipe().name = "other"  # type: ignore[misc]
