"""The lake: Parquet in three layers under one root. The only door to files and object storage."""

from axiom.lake.buckets import bucket_of, buckets_of, buckets_of_column
from axiom.lake.dataset import Dataset, DatasetWriter
from axiom.lake.lake import Lake, storage_of
from axiom.lake.manifest import FileEntry, Manifest
from axiom.lake.silver import Silver, Snapshot, plain_text, sort_rows
from axiom.lake.storage import S3Options, Storage

__all__ = [
    "Dataset",
    "DatasetWriter",
    "FileEntry",
    "Lake",
    "Manifest",
    "S3Options",
    "Silver",
    "Snapshot",
    "Storage",
    "bucket_of",
    "buckets_of",
    "buckets_of_column",
    "plain_text",
    "sort_rows",
    "storage_of",
]
