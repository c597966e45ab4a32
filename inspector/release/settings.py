"""What a plant asks of a bundle on its way to the line (`configs/release.example.toml`)."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, model_validator

from inspector.documents import Document, parse, read_bytes
from inspector.errors import ConfigError
from inspector.risk import Rate


class ReleaseStation(Document):
    """A `[[station]]` table: a station that the bundle is for, and where its orders are left."""

    name: str = Field(min_length=1, max_length=64, description="its name, as in its own configuration")
    database: str = Field(min_length=1, description="URL or file of its ledger")


class ShadowSettings(Document):
    """The `[shadow]` table: how the bundle is compared with the one that serves, on the same parts."""

    parts: int = Field(default=300, ge=1, le=100_000, description="judged by both before anything is concluded")
    error: float = Field(default=0.05, gt=0, lt=0.5, description="of letting by one that is worse by a margin")
    escape_margin: float = Field(default=0.02, gt=0, lt=1, description="so many more of all parts may escape, at most")
    overkill_margin: float = Field(
        default=0.05, gt=0, lt=1, description="so many more of all parts may be stopped though good, at most"
    )

    @model_validator(mode="after")
    def _enough(self) -> ShadowSettings:
        least = Rate(0, self.parts).upper(1 - self.error / 2)
        if least > min(self.escape_margin, self.overkill_margin):
            margin = min(self.escape_margin, self.overkill_margin)
            raise ValueError(
                f"{self.parts} parts cannot show a margin of {margin:g}: without any they show {least:.4f}"
            )
        return self


class WatchSettings(Document):
    """The `[watch]` table: when a bundle that serves is taken back by itself."""

    parts: int = Field(default=500, ge=1, le=100_000, description="inspected at the first station before the others")
    false_alarm: float = Field(
        default=0.01, gt=0, lt=0.5, description="that it goes back although it stops and lets pass as the former did"
    )
    stop_margin: float = Field(
        default=0.02, gt=0, lt=1, description="its share of parts that do not pass may differ so much from the former's"
    )
    escape_limit: float = Field(
        default=0.02, gt=0, lt=1, description="so many of its passes may be defective, by blind labels of drawn ones"
    )
    drift: bool = Field(default=True, description="a drift alarm of the first station takes it back")


class ReleaseSettings(Document):
    """A whole `release.toml`."""

    approvals: int = Field(default=1, ge=1, le=5, description="persons who must approve, each another one")
    shadow: ShadowSettings = ShadowSettings()
    watch: WatchSettings = WatchSettings()
    station: tuple[ReleaseStation, ...] = Field(
        min_length=1, description="the first has it in the shadow and is watched, the others follow in this order"
    )

    @model_validator(mode="after")
    def _named_once(self) -> ReleaseSettings:
        names = [station.name for station in self.station]
        if len(set(names)) < len(names):
            raise ValueError("station: expected each name once")
        return self

    @property
    def first(self) -> str:
        """The station that has the bundle in the shadow, and is watched."""
        return self.station[0].name

    def after(self, station: str) -> str | None:
        """Return the station that follows; None behind the last."""
        names = [each.name for each in self.station]
        behind = names[names.index(station) + 1 :]
        return behind[0] if behind else None


def load_release_settings(path: Path) -> ReleaseSettings:
    """Read a file of settings; raise ConfigError naming the file and every fault."""
    try:
        content = tomllib.loads(read_bytes(path, ConfigError).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    return parse(str(path), content, ReleaseSettings, ConfigError)
