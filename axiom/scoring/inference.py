"""What was predicted, for whom and by which model: a sampled, bounded log that never holds a request up."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from axiom.errors import AxiomError, MisuseError
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from types import TracebackType
    from typing import Self

    import pyarrow as pa

    from axiom.lake.storage import Storage

FOLDER = "inference"
COLUMNS = (
    "request_id",
    "at",
    "kind",
    "customer_id",
    "source",
    "model",
    "role",
    "value",
    "raw",
    "p05",
    "p50",
    "p95",
    "as_of",
    "cached",
    "latency_ms",
    "key_id",
)
_SLICE = 256  # rows turned into Arrow at once: about 1 ms of the interpreter lock, which requests wait for
_PART_ROWS = 100_000
_MIX = 2_654_435_761  # 2^32 / golden ratio: CRC is linear, so neighbouring ids have to be spread afterwards
_MASK = 0xFFFFFFFF
_log = get_logger(__name__)


@cache
def inference_schema() -> pa.Schema:
    """Columns of the log. `value` is p_churn in 0..1 or the mean CLV in money; `raw` is before calibration."""
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    numbers = dict.fromkeys(("value", "raw", "p05", "p50", "p95"), pa.float64())
    kinds = {"at": moment, "as_of": moment, "cached": pa.bool_(), "latency_ms": pa.float32(), **numbers}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])


@dataclass(frozen=True, slots=True)
class InferenceStats:
    """Rows since the log was opened.

    Attributes:
        buffered: wait to be written.
        written: stand in the lake.
        dropped: were sampled and are lost: the buffer was full, the row was malformed, or the log was closed.
        failed: writes that the storage refused; their rows are kept and tried again.
        error: of the last write, "" when it succeeded.
    """

    buffered: int
    written: int
    dropped: int
    failed: int
    error: str


class InferenceLog:
    """Appends to memory on the hot path; a thread writes Parquet parts to `inference/date=YYYY-MM-DD/` of the lake.

    Args:
        storage: the root of the lake.
        sample: share of the requests to keep, 0..1. All rows of one request (champion, shadows) stay or go together.
        most_buffered: rows held in memory at most; further ones are dropped and counted.
        flush_seconds: longest time between two parts.
        replica: name of the writer, part of the file names.
        salt: chooses which requests are sampled; the same salt chooses the same ones in every replica.

    Raises:
        MisuseError: a share outside 0..1, or a bound or an interval that is not positive.
    """

    def __init__(
        self,
        storage: Storage,
        sample: float = 1.0,
        most_buffered: int = 100_000,
        flush_seconds: float = 60.0,
        *,
        replica: str = "replica",
        salt: str = "axiom",
    ) -> None:
        self._storage = storage
        self._seed = crc32(salt.encode())
        self._wake = threading.Event()
        self.keep(sample, most_buffered, flush_seconds)
        name = "".join(letter if letter.isalnum() else "_" for letter in replica)[-64:]
        self._name = f"{name}-{uuid.uuid4().hex[:8]}"  # two writers of one name never meet in one file
        self._rows: deque[tuple[Any, ...]] = deque()
        self._held = 0  # rows that left the deque and are not written yet
        self._pending: dict[date, list[pa.RecordBatch]] = {}
        self._sequence = self._written = self._dropped = self._failed = 0
        self._error = ""
        self._closed = False
        self._complained = False
        self._counting, self._writing = threading.Lock(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="inference-log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def keep(self, sample: float, most_buffered: int, flush_seconds: float) -> None:
        """Keep another share, hold more or fewer rows, write more or less often from now on; see the class.

        Raises:
            MisuseError: as at the start; then nothing changes.
        """
        if not 0.0 <= sample <= 1.0:
            raise MisuseError(f"the sampled share of the inference log is {sample}", hint="give a number from 0 to 1")
        if most_buffered < 1 or not flush_seconds > 0:
            raise MisuseError(
                f"the inference log cannot hold {most_buffered} rows for {flush_seconds} s", hint="both must be above 0"
            )
        self._below = int(sample * 2**32)
        self._most, self._wake_at = most_buffered, max(1, most_buffered // 2)
        self._every = flush_seconds
        self._wake.set()  # so that a shorter wait, or a lower bound, holds at once

    def add(self, row: tuple[Any, ...]) -> None:
        """Keep one prediction if its request is sampled: a tuple in the order of `COLUMNS`. Never blocks nor raises.

        `at` and `as_of` are datetimes, or whole microseconds since 1970 (`time.time_ns() // 1000`), which is cheaper.
        """
        try:
            if (crc32(row[0].encode(), self._seed) * _MIX & _MASK) >= self._below:
                return
            rows = self._rows
            waiting = len(rows) + self._held
            if waiting >= self._most or self._closed:
                self._drop(1)
                return
            rows.append(row)
            if waiting == self._wake_at:
                self._wake.set()
        except Exception:  # noqa: BLE001  (a prediction is never lost to its own log; the row is counted)
            self._drop(1)

    @property
    def stats(self) -> InferenceStats:
        """Counts since the log was opened."""
        return InferenceStats(len(self._rows) + self._held, self._written, self._dropped, self._failed, self._error)

    def flush(self) -> None:
        """Write what is buffered now, in the calling thread. A storage that is away is counted, not raised."""
        with self._writing:
            while self._rows or self._pending:
                self._convert()
                if not self._write():
                    return  # the storage is away: what is left is kept, up to the bound

    def close(self, timeout: float = 10.0) -> None:
        """Write what is buffered and stop; rows that cannot be written within `timeout` seconds are dropped."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._thread.join(timeout)
        if left := len(self._rows) + self._held:
            self._drop(left)
            _log.warning("inference_log_lost", rows=left, error=self._error)

    def _drop(self, rows: int) -> None:
        with self._counting:
            self._dropped += rows

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._every)
            self._wake.clear()
            self._flush_or_complain()
        self._flush_or_complain()  # what came in while the last part was on its way

    def _flush_or_complain(self) -> None:
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001  (the writer outlives a bug; otherwise the log would fill in silence)
            self._failed += 1
            self._complain("inference_log_not_written", error)

    def _convert(self) -> None:
        """Turn waiting rows into Arrow, a slice at a time, up to one part."""
        while self._rows and self._held < _PART_ROWS:
            taken: list[tuple[Any, ...]] = []
            while self._rows and len(taken) < _SLICE:
                taken.append(self._rows.popleft())
                self._held += 1
            for day, batch in self._batches(taken):
                self._pending.setdefault(day, []).append(batch)
            if not self._closed:
                time.sleep(0.0005)  # give the interpreter to the requests before the next slice

    def _batches(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[date, pa.RecordBatch]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            batch = _to_arrow(rows)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            if len(rows) > 1:  # one malformed row must not take its neighbours along
                return [found for row in rows for found in self._batches([row])]
            self._held -= 1
            self._drop(1)
            self._complain("inference_log_malformed_row", error)
            return []
        days = pc.cast(batch["at"], pa.date32())
        return [(day.as_py(), batch.filter(pc.equal(days, day))) for day in pc.unique(days)]

    def _write(self) -> bool:
        """Write one part a day; whether all of them were."""
        import pyarrow as pa

        for day, batches in list(self._pending.items()):
            table = pa.Table.from_batches(batches)
            self._sequence += 1
            file = f"{self._name}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{self._sequence:06d}.parquet"
            try:
                self._storage.write_parquet(f"{FOLDER}/date={day}/{file}", table)
            except (AxiomError, OSError, pa.ArrowException) as error:
                self._failed += 1
                self._complain("inference_log_not_written", error)
                self._error = str(error)
                return False
            del self._pending[day]
            self._written += table.num_rows
            self._held -= table.num_rows
            self._error, self._complained = "", False
        return True

    def _complain(self, event: str, error: BaseException) -> None:
        if not self._complained:  # once an outage, not once a flush
            self._complained = True
            _log.warning(event, error=str(error), buffered=len(self._rows) + self._held)


def _to_arrow(rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    import pyarrow as pa

    schema = inference_schema()
    columns = list(zip(*rows, strict=True))
    if len(columns) != len(schema):
        raise ValueError(f"{len(columns)} values, the log has {len(schema)} columns")
    if None in columns[COLUMNS.index("at")]:
        raise ValueError("a row without a time")
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def read_inference(
    storage: Storage,
    since: datetime,
    until: datetime,
    customer_id: str | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Predictions made from `since` up to, not including, `until`, in order of time.

    Args:
        storage: the root of the lake.
        since: first moment, UTC where it names no zone.
        until: end of the interval.
        customer_id: keep the predictions for this customer only.
        columns: of `COLUMNS`; default: all of them. Others are not read.

    Returns:
        A table with no rows where nothing was logged.

    Raises:
        MisuseError: an interval that ends before it begins, or an unknown column.
        UnavailableError: the storage does not answer.
    """
    import pyarrow.dataset as pads

    names = list(COLUMNS if columns is None else columns)
    if unknown := [name for name in names if name not in COLUMNS]:
        raise MisuseError(
            f"the inference log has no column {unknown[0]!r}", hint=f"its columns are {', '.join(COLUMNS)}"
        )
    since, until = _utc(since), _utc(until)
    if until < since:
        raise MisuseError(f"the interval ends at {until} before it begins at {since}")
    files = [storage.full(path) for path in storage.files(FOLDER, ".parquet") if _on(path, since, until)]
    if not files:
        return inference_schema().empty_table().select(names)
    found = pads.dataset(files, schema=inference_schema(), format="parquet", filesystem=storage.filesystem)
    wanted = (pads.field("at") >= since) & (pads.field("at") < until)
    if customer_id is not None:
        wanted &= pads.field("customer_id") == customer_id
    table = found.to_table(columns=[*names, *({"at", "request_id"} - set(names))], filter=wanted)
    return table.sort_by([("at", "ascending"), ("request_id", "ascending")]).select(names)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _on(path: str, since: datetime, until: datetime) -> bool:
    day = path.split("/")[1].removeprefix("date=")
    last = until - timedelta(microseconds=1)
    return f"{since:%Y-%m-%d}" <= day <= f"{last:%Y-%m-%d}"
