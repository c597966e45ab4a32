"""One station's configuration: a TOML file read once, at the door."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from db.retention import RetentionPolicy, load_policy
from inspector.documents import Document, parse, read_bytes
from inspector.draws import AuditSettings
from inspector.errors import ConfigError
from inspector.post import Post
from inspector.recipe import Recipe, load_recipe
from inspector.shifts import ShiftSettings
from station.cameras import camera_settings
from station.cameras.base import CameraSettings
from station.challenges.settings import ChallengeSettings
from station.codes import CodeKind
from station.health.settings import HealthSettings
from station.outputs import outputs_settings
from station.outputs.base import OutputSettings
from station.triggers import is_by_camera, trigger_settings
from station.triggers.base import TriggerSettings

_PATHS_OF = {
    "station": ("folder", "bundle", "recipe", "trusted_keys"),
    "camera": ("path", "names", "producer"),
    "output": ("secret_file", "ca_file", "password_file", "trusted", "certificate", "private_key"),
    "trigger": ("token_file", "password_file"),
    "recipe": ("file", "bundle"),
    "health": ("token_file",),
    "retention": ("policy",),
}


class StationBlock(Document):
    """The `[station]` table."""

    name: str = Field(min_length=1, max_length=64, description="name in records, reports and messages")
    folder: Path = Field(description="where the ledger and the images live")
    database: str | None = Field(default=None, description="URL of the ledger; unset: ledger.sqlite in the folder")
    bundle: Path = Field(description="bundle, or a folder of bundles (its latest)")
    recipe: Path | None = Field(default=None, description="recipe file; unset: the bundle's own limits")
    require_signature: bool = Field(default=False, description="only bundles signed with a trusted key serve")
    trusted_keys: tuple[Path, ...] = Field(
        default_factory=tuple, description="public keys of those who may sign bundles"
    )
    deadline_ms: float = Field(default=1000, ge=1, le=600_000, description="trigger to verdict; later is NOT_INSPECTED")
    hang_s: float = Field(default=5, gt=0, le=600, description="a vision process silent for so long is restarted")
    restarts: int = Field(default=5, ge=0, le=1000, description="restarts of the vision process within ten minutes")
    start_s: float = Field(
        default=60,
        gt=0,
        le=600,
        description="a vision process must be ready within this time, or within it of the last word of a build",
    )
    resume: bool = Field(default=True, description="after a crash, go on with the picture after the last one recorded")
    realtime: bool = Field(
        default=True, description="serve what a part waits for before other programs, where the system allows it"
    )
    keep_images: Literal["not-pass", "all", "none"] = Field(default="not-pass", description="whose images are stored")
    read_code: CodeKind | None = Field(
        default=None, description="read the part's serial number from a code in the picture, where the trigger has none"
    )
    image_format: Literal["jpeg", "png"] = Field(
        default="jpeg", description="jpeg (quality 95), or png: lossless and some 15 times slower"
    )

    @model_validator(mode="after")
    def _has_keys(self) -> StationBlock:
        if self.require_signature and not self.trusted_keys:
            raise ValueError("require_signature needs trusted_keys: at least one public key")
        return self


class PlantSettings(Document):
    """The `[plant]` table: where the station's rows go."""

    database: str = Field(min_length=1, description="URL of the plant's database; rows are forwarded to it")


class RetentionBlock(Document):
    """The `[retention]` table: images go while the station runs; without it none goes."""

    policy: Path = Field(description="which images are kept: a file as retention.example.toml")
    every_s: float = Field(default=3600, ge=1, le=604_800, description="a sweep so often, the first one at the start")
    dry_run: bool = Field(default=False, description="say in an event what would be dropped, and drop nothing")


class Retention(Document):
    """A `[retention]` table with its policy read."""

    policy: RetentionPolicy
    every_s: float
    dry_run: bool = False


class SelfTestSettings(Document):
    """The `[self_test]` table: golden samples are judged at the start and on every change whatever it says."""

    every_s: float = Field(
        default=3600, ge=0, le=604_800, description="a further self-test so often; 0: only when it is ordered"
    )


class RecipeBlock(Document):
    """A `[[recipe]]` table: another recipe that the station may be changed over to."""

    file: Path = Field(description="recipe file; orders call it by the name in it")
    bundle: Path | None = Field(default=None, description="bundle for it; unset: the station's")


class ListedRecipe(Document):
    """A recipe that a station may be changed over to, and the bundle that it begins with."""

    recipe: Recipe
    bundle: Path


class StationConfig(Document):
    """A whole configuration, checked: every block by the settings of its kind."""

    station: StationBlock
    trigger: TriggerSettings
    recipe: Recipe
    cameras: tuple[CameraSettings, ...]
    """Each is a view of every part. Without a trigger of its own, the first one's exposures are the parts."""
    outputs: tuple[OutputSettings, ...]
    audit: AuditSettings | None = None
    challenge: ChallengeSettings | None = None
    plant: PlantSettings | None = None
    shifts: ShiftSettings | None = None
    health: HealthSettings | None = None
    retention: Retention | None = None
    self_test: SelfTestSettings = SelfTestSettings()
    recipes: dict[str, ListedRecipe] = Field(default_factory=dict)
    """Every recipe that can serve, by name; the one that the station begins with is among them."""

    def on(self, bundle: Path, recipe: Recipe) -> StationConfig:
        """Return the configuration with another bundle and recipe."""
        station = self.station.model_copy(update={"bundle": bundle})
        return self.model_copy(update={"station": station, "recipe": recipe})

    @property
    def camera(self) -> CameraSettings:
        """The first camera."""
        return self.cameras[0]

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Names of the cameras of each vision process."""
        names: dict[str, list[str]] = {}
        for camera in self.cameras:
            names.setdefault(camera.group, []).append(camera.name)
        return {group: tuple(cameras) for group, cameras in names.items()}

    def triggered(self, group: str) -> tuple[str, ...]:
        """Cameras of a group that expose when the line asks; one whose exposures are the parts is not among them."""
        leader = self.camera.name if is_by_camera(self.trigger) else None
        return tuple(camera.name for camera in self.of_group(group) if camera.name != leader)

    def of_group(self, group: str) -> tuple[CameraSettings, ...]:
        return tuple(camera for camera in self.cameras if camera.group == group)

    @property
    def database_url(self) -> str:
        return self.station.database or f"sqlite:///{self.station.folder / 'ledger.sqlite'}"

    @property
    def images(self) -> Path:
        return self.station.folder / "images"

    @property
    def post(self) -> Post:
        """What measures and chooses runtimes knows of the station: half of a part's deadline is left to a spare."""
        return Post(self.station.folder, self.station.deadline_ms / 2e3)


class _File(Document):
    station: StationBlock
    trigger: dict[str, Any] = Field(default_factory=dict)
    camera: dict[str, Any] | list[dict[str, Any]]
    output: dict[str, Any] | list[dict[str, Any]] = Field(default_factory=lambda: {"kind": "log"})
    audit: AuditSettings | None = None
    challenge: ChallengeSettings | None = None
    plant: PlantSettings | None = None
    retention: RetentionBlock | None = None
    self_test: SelfTestSettings = SelfTestSettings()
    recipe: tuple[RecipeBlock, ...] = ()
    shifts: ShiftSettings | None = None
    health: HealthSettings | None = None


def load_station_config(path: Path) -> StationConfig:
    """Read a configuration; relative paths are relative to its folder.

    Raises:
        ConfigError: names the file and every fault of every block at once.
        RecipeError, UnknownPlugin: likewise.
    """
    try:
        content = tomllib.loads(read_bytes(path, ConfigError).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    return station_config(content, str(path), path.parent)


def station_config(content: dict[str, Any], source: str, folder: Path) -> StationConfig:
    """Validate a configuration given as tables; `folder` anchors its relative paths, `source` names it in messages."""
    file = parse(source, _anchored(content, folder), _File, ConfigError)
    recipe = load_recipe(file.station.recipe) if file.station.recipe else Recipe()
    outputs, recipes = outputs_settings(file.output, source), _recipes(recipe, file, source)
    _require_listed(outputs, recipes, source)
    return StationConfig(
        station=file.station,
        trigger=trigger_settings(file.trigger, source),
        recipe=recipe,
        cameras=_cameras(file.camera, source),
        outputs=outputs,
        audit=file.audit,
        challenge=file.challenge,
        plant=file.plant,
        retention=_retention(file.retention),
        self_test=file.self_test,
        recipes=recipes,
        shifts=file.shifts,
        health=file.health,
    )


def _retention(block: RetentionBlock | None) -> Retention | None:
    if block is None:
        return None
    return Retention(policy=load_policy(block.policy), every_s=block.every_s, dry_run=block.dry_run)


def _recipes(first: Recipe, file: _File, source: str) -> dict[str, ListedRecipe]:
    recipes = {first.name: ListedRecipe(recipe=first, bundle=file.station.bundle)}
    for block in file.recipe:
        recipe = load_recipe(block.file)
        if recipe.name in recipes and recipes[recipe.name].recipe != recipe:
            raise ConfigError(
                f"{source}: recipe: {block.file}: {recipe.name!r} is the name of two; expected one of each"
            )
        recipes[recipe.name] = ListedRecipe(recipe=recipe, bundle=block.bundle or file.station.bundle)
    return recipes


def _require_listed(outputs: Sequence[OutputSettings], recipes: Mapping[str, ListedRecipe], source: str) -> None:
    """Refuse a recipe that a controller is to know by a number and the station does not have."""
    for output in outputs:
        for name in output.recipes_known:
            if name not in recipes:
                raise ConfigError(
                    f"{source}: output {output.called}: recipes: {name!r} is not in the configuration; "
                    f"expected some of {', '.join(recipes)}"
                )


def _cameras(blocks: dict[str, Any] | list[dict[str, Any]], source: str) -> tuple[CameraSettings, ...]:
    """Validate one `[camera]`, or several `[[camera]]`: camera-1, camera-2 unless they have names."""
    if isinstance(blocks, dict):
        return (camera_settings(blocks, source),)
    if not blocks:
        raise ConfigError(f"{source}: camera: expected at least one")
    numbered = [{"name": f"camera-{number}", **block} for number, block in enumerate(blocks, start=1)]
    cameras = tuple(camera_settings(block, f"{source}: {block['name']}") for block in numbered)
    if doubled := [name for name, count in Counter(camera.name for camera in cameras).items() if count > 1]:
        raise ConfigError(f"{source}: camera.name: {doubled[0]!r} is the name of two cameras; expected one of each")
    return cameras


def _anchored(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tables with relative paths joined to `folder`; what is no text is left for validation to refuse."""
    anchored = dict(content)
    for block, fields in _PATHS_OF.items():
        tables = content.get(block)
        if isinstance(tables, list):
            anchored[block] = [_table(table, fields, folder) for table in tables]
        elif tables is not None:
            anchored[block] = _table(tables, fields, folder)
    return anchored


def _table(table: Any, fields: tuple[str, ...], folder: Path) -> Any:
    if not isinstance(table, dict):
        return table
    return {**table, **{field: _joined(table[field], folder) for field in fields if field in table}}


def _joined(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_joined(one, folder) for one in value]
    return str(folder / value) if isinstance(value, str) else value
