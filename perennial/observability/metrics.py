"""What this process counts. Gauges that the database knows are in `gauges.py`; what each means: docs/observability.md.

Labels are closed sets (a status, a gateway, a route), never ids: each value is a time series of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from perennial.contracts.activities import BillTask
from perennial.domain.declines import classify

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each that nobody asks for
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

RENEWAL = "renewal"
_TEST, _REAL = "test", "real"

_renewals = Counter("perennial_renewals", "Renewals whose invoice was issued.", ["clock"], registry=REGISTRY)
_lateness = Histogram(
    "perennial_renewal_lateness_seconds",
    "From the instant a renewal was due to the one at which it was done; test clocks are left out.",
    buckets=(1, 2, 5, 10, 30, 60, 300, 900, 3600, 7200, 14400, 86400),
    registry=REGISTRY,
)
_charges = Counter(
    "perennial_charges",
    "Answers of gateways to charges; what there was no answer to has an outcome too.",
    ["gateway", "outcome", "decline_class"],
    registry=REGISTRY,
)
_gateway_seconds = Histogram(
    "perennial_gateway_seconds",
    "How long a gateway took to answer.",
    ["gateway", "call"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
_gateway_failures = Counter(
    "perennial_gateway_failures", "Calls without a usable answer.", ["gateway", "call", "error"], registry=REGISTRY
)
_keys = Counter(
    "perennial_idempotent_requests",
    "Requests with an Idempotency-Key: first, replayed, reused (for another request), running (still).",
    ["outcome"],
    registry=REGISTRY,
)
_requests = Histogram(
    "perennial_http_request_seconds",
    "How long requests took, by route.",
    ["method", "route", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
_deliveries = Counter("perennial_messages", "Messages of the outbox.", ["outcome"], registry=REGISTRY)


def billed(task: BillTask, now: datetime | None = None) -> None:
    """An invoice was issued for the first time. Renewals alone are counted; `now` is machine time."""
    draft, record = task.effect.draft, task.record
    if draft.reason != RENEWAL:
        return
    is_test = record is not None and record.state.test_clock_id is not None
    _renewals.labels(_TEST if is_test else _REAL).inc()
    if not is_test:
        late = (now or datetime.now(UTC)) - draft.period.start
        _lateness.observe(max(late.total_seconds(), 0))


def charged(gateway: str, outcome: str, decline_code: str | None) -> None:
    _charges.labels(gateway, outcome, classify(decline_code).value if decline_code else "").inc()


@contextmanager
def asking(gateway: str, call: str) -> Iterator[None]:
    """Times a call of a gateway and counts it when it raises."""
    begun = perf_counter()
    try:
        yield
    except Exception as error:
        _gateway_failures.labels(gateway, call, getattr(error, "code", type(error).__name__)).inc()
        raise
    finally:
        _gateway_seconds.labels(gateway, call).observe(perf_counter() - begun)


def idempotent(outcome: str) -> None:
    _keys.labels(outcome).inc()


def answered(method: str, route: str, status: int, seconds: float) -> None:
    _requests.labels(method, route, str(status)).observe(seconds)


def delivered(*, ok: bool) -> None:
    _deliveries.labels("delivered" if ok else "postponed").inc()
