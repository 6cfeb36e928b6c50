"""Options of the `platform` application, as they stand under `args` in `serve_config.yaml`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class PlatformOptions(BaseModel):
    """What the platform needs to know beside the settings. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any] = Field(
        {}, description="Settings that differ from the AXIOM_* variables of the process, by name: `home`, `lake_uri`, …"
    )
    predict: str = Field("predict", min_length=1, description="Name of the application that predicts.")
    judge_seconds: float = Field(
        300.0,
        ge=0,
        description="Seconds between two judgements of roll-outs by their declared evidence; 0: never.",
    )
