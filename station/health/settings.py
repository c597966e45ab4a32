"""The `[health]` table of a station's configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from inspector.documents import Document
from station.access import require_guard


class HealthSettings(Document):
    """Where the station tells how it does; without the table it does not."""

    host: str = Field(default="127.0.0.1", description="address to listen at; beyond this machine a token is needed")
    port: int = Field(default=8472, ge=0, le=65535, description="0: any that is free")
    token_file: Path | None = Field(default=None, description="file with the token that callers must send as Bearer")
    disk_low_gb: float = Field(default=5.0, gt=0, le=1e6, description="less free needs somebody to look")
    disk_full_gb: float = Field(default=0.5, gt=0, le=1e6, description="less free is out of specification")

    @model_validator(mode="after")
    def _guarded(self) -> HealthSettings:
        require_guard(self.host, self.token_file)
        if self.disk_full_gb > self.disk_low_gb:
            raise ValueError(f"disk_full_gb {self.disk_full_gb:g} must not exceed disk_low_gb {self.disk_low_gb:g}")
        return self
