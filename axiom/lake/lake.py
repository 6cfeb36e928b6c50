"""The lake: one root with a fixed bucket count, silver tables and immutable datasets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.contracts import ENTITIES
from axiom.errors import ConflictError, CorruptError, MisuseError, NotFoundError
from axiom.lake import dataset as datasets
from axiom.lake.silver import Silver, Snapshot
from axiom.lake.storage import S3Options, Storage

if TYPE_CHECKING:
    from axiom.lake.dataset import Dataset, DatasetWriter
    from axiom.lake.manifest import Manifest
    from axiom.settings import Settings

_META = "_lake.json"
_FORMAT = 1


@dataclass(frozen=True)
class Lake:
    """A lake that exists. Picklable: workers open the same lake from the same value.

    Attributes:
        storage: its root.
        buckets: how many hash buckets customers are spread over; fixed for the life of the lake.
        currency: ISO 4217 code of every amount in it.
    """

    storage: Storage
    buckets: int
    currency: str

    @classmethod
    def create(cls, storage: Storage, *, buckets: int, currency: str) -> Lake:
        """Create the lake, or open it where it exists already with the same buckets and currency.

        Raises:
            ConflictError: it exists with another bucket count or currency.
        """
        if not storage.exists(_META):
            body = {"format": _FORMAT, "buckets": buckets, "currency": currency}
            storage.write(_META, json.dumps(body, indent=1).encode())
        lake = cls.open(storage)
        if (lake.buckets, lake.currency) != (buckets, currency):
            raise ConflictError(
                f"the lake {storage.location} exists with {lake.buckets} buckets in {lake.currency}, "
                f"not {buckets} in {currency}",
                hint="both are fixed for its life: keep them, or set AXIOM_HOME or AXIOM_LAKE_URI to a new place",
            )
        return lake

    @classmethod
    def open(cls, storage: Storage) -> Lake:
        """Open an existing lake.

        Raises:
            NotFoundError: there is none at this place.
            CorruptError: its description cannot be read, or was written by a newer Axiom.
        """
        try:
            body = json.loads(storage.read(_META))
            if body["format"] != _FORMAT:
                raise CorruptError(f"{storage.location}/{_META}: written by a newer Axiom", hint="upgrade Axiom")
            return cls(storage, int(body["buckets"]), str(body["currency"]))
        except NotFoundError:
            raise NotFoundError(f"no lake at {storage.location}", hint="create it with `axiom init`") from None
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptError(f"{storage.location}/{_META} is not a lake's description ({error})") from error

    def silver(self, entity: str) -> Silver:
        """The table of one entity; MisuseError for an unknown one."""
        if entity not in ENTITIES:
            raise MisuseError(f"unknown entity {entity!r}", hint=f"one of {', '.join(ENTITIES)}")
        return Silver(self.storage, entity)

    def snapshot(self, entity: str) -> Snapshot:
        """What silver holds of one entity now; empty where nothing was ingested."""
        return self.silver(entity).snapshot()

    def snapshots(self) -> dict[str, Snapshot]:
        """The snapshots of all entities."""
        return {entity: self.snapshot(entity) for entity in ENTITIES}

    def writer(
        self, kind: str, dataset_id: str, *, inputs: tuple[str, ...] = (), properties: dict[str, Any] | None = None
    ) -> DatasetWriter:
        """Start, or go on with, the dataset `dataset_id` of a kind."""
        return datasets.DatasetWriter(self.storage, kind, dataset_id, inputs, properties or {})

    def dataset(self, kind: str, dataset_id: str) -> Dataset:
        """A committed dataset.

        Raises:
            NotFoundError: there is none of this id.
        """
        manifest = datasets.read_manifest(self.storage, kind, dataset_id)
        if manifest is None:
            raise NotFoundError(f"no {kind} dataset {dataset_id!r} in the lake {self.storage.location}")
        return datasets.Dataset(self.storage, manifest)

    def datasets(self, kind: str) -> list[Manifest]:
        """All committed datasets of a kind, oldest first."""
        return sorted(datasets.manifests(self.storage, kind), key=lambda manifest: (manifest.created_at, manifest.id))


def storage_of(settings: Settings) -> Storage:
    """The lake's root as the settings name it."""
    access, secret = settings.s3_access_key, settings.s3_secret_key
    options = S3Options(
        settings.s3_endpoint or "",
        settings.s3_region or "",
        access.get_secret_value() if access else "",
        secret.get_secret_value() if secret else "",
    )
    return Storage(settings.lake_location, options)
