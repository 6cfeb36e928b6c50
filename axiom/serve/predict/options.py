"""What `serve_config.yaml` may tell the `predict` application.

Ray builds an application anew when its `args` change, and while it does, every request takes its slow way (see
docs/serving-config.md). So `args` say only where the company is; everything else stands under `user_config`, which a
running replica takes over.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class PredictArgs(BaseModel):
    """`args` of the application. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any] = Field(
        {}, description="Settings that differ from the AXIOM_* variables of the process, by name: `home`, `lake_uri`, …"
    )


class PredictOptions(BaseModel):
    """`user_config` of the deployment: what one replica does beside answering. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[Literal["churn", "clv"], str] = Field(
        {"churn": "churn", "clv": "clv"}, description="Kind -> name of the registered model that answers."
    )
    cache_customers: int = Field(100_000, ge=1, description="Customers whose features a replica keeps in memory.")
    cache_ttl_seconds: float = Field(300.0, gt=0, description="How long it keeps them without looking again.")
    watch_seconds: float = Field(1.0, gt=0, le=60, description="How often registry and store are asked for changes.")
    log_sample: float = Field(1.0, ge=0, le=1, description="Share of the requests that the inference log keeps.")
    log_most_buffered: int = Field(100_000, ge=1, description="Rows of the inference log held in memory at most.")
    log_flush_seconds: float = Field(30.0, gt=0, description="Longest time before rows are written to the lake.")
