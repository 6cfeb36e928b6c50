"""Service level objectives, and when their error budget burns too fast (multi-window, multi-burn-rate).

Source of windows and factors: The Site Reliability Workbook (O'Reilly 2018), chapter 5, table 5-8.
"""

from __future__ import annotations

from dataclasses import dataclass

PERIOD_HOURS = 30 * 24
"""What the budget is counted over."""
HOURS = {"5m": 1 / 12, "30m": 0.5, "1h": 1.0, "2h": 2.0, "6h": 6.0, "1d": 24.0, "3d": 72.0}


@dataclass(frozen=True)
class Burn:
    """Alarm when more than `factor` times the budget burns over a long window and still does over a short one.

    The long window makes sure that it matters, the short one that the alarm ends soon after the trouble does.

    Attributes:
        long: window.
        short: window, a twelfth or a quarter of the long one.
        factor: so much faster than what would use the budget up in exactly the period.
    """

    long: str
    short: str
    factor: float

    @property
    def spent(self) -> float:
        """Share of the period's budget that is gone when this burns for its whole long window."""
        return self.factor * HOURS[self.long] / PERIOD_HOURS

    def hours_to_notice(self, bad: float, target: float) -> float | None:
        """How long a constant share of bad requests lasts before the alarm, out of the blue; None where never.

        The mean over the long window reaches the threshold after long * factor * (1 - target) / bad hours.

        Args:
            bad: share of requests that are bad, 0 to 1.
            target: share that has to be good, 0 to 1.
        """
        threshold = self.factor * (1.0 - target)
        if bad <= threshold:
            return None
        return max(HOURS[self.long] * threshold / bad, HOURS[self.short] * threshold / bad)


FAST = (Burn("1h", "5m", 14.4), Burn("6h", "30m", 6.0))
"""Somebody is woken: 2 % of the budget in an hour, or 5 % in six."""
SLOW = (Burn("1d", "2h", 3.0), Burn("3d", "6h", 1.0))
"""A ticket: 10 % in a day, or 10 % in three."""


@dataclass(frozen=True)
class Objective:
    """So many of the requests have to be good.

    Attributes:
        name: in the names of rules.
        target: share that has to be good, 0 to 1.
        bad_share: PromQL of the share of bad requests; `WINDOW` stands for the window.
        says: the promise in words.
    """

    name: str
    target: float
    bad_share: str
    says: str

    @property
    def budget(self) -> float:
        """Share of requests that may be bad."""
        return round(1.0 - self.target, 12)  # 0.001, not 0.0010000000000000009

    def over(self, window: str) -> str:
        """PromQL of the share of bad requests over a window."""
        return self.bad_share.replace("WINDOW", window)

    def record(self, window: str) -> str:
        """Name of the recorded share of bad requests over a window."""
        return f"axiom:{self.name}_bad:ratio_rate{window}"

    def alarm(self, burns: tuple[Burn, ...]) -> str:
        """PromQL that is true while any of them burns."""
        return " or ".join(
            f"({self.record(burn.long)} > {_number(burn.factor * self.budget)}"
            f" and {self.record(burn.short)} > {_number(burn.factor * self.budget)})"
            for burn in burns
        )


def _number(value: float) -> str:
    return f"{value:.10g}"


_CORE = 'route=~"churn|clv|grpc_churn|grpc_clv"'
_FAILED = 'status=~"5..|2|4|13|14"'  # of gRPC: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE
_INGRESS = "ray_serve_http_request_latency_ms"

AVAILABILITY = Objective(
    "availability",
    0.999,
    f"((sum(rate(ray_axiom_predict_requests_total{{{_CORE},{_FAILED}}}[WINDOW])) or vector(0))"
    ' + (sum(rate(ray_axiom_predict_rejected_total{reason="overload"}[WINDOW])) or vector(0)))'
    f" / sum(rate(ray_axiom_predict_requests_total{{{_CORE}}}[WINDOW]))",
    "99.9 % of the predictions asked for over 30 days are answered: no 5xx, no refusal because of overload",
)
LATENCY = Objective(
    "latency",
    0.95,
    f'1 - sum(rate({_INGRESS}_bucket{{application="predict",le="50.0"}}[WINDOW]))'
    f' / sum(rate({_INGRESS}_count{{application="predict"}}[WINDOW]))',
    "95 % of the predictions over 30 days take less than 50 ms at the ingress",
)
OBJECTIVES = (AVAILABILITY, LATENCY)
