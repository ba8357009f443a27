"""How often the relay looks at limits: soon after something was used, seldom when looking is slow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.usage import Aggregation, Meter
from perennial.engine import meters
from perennial.engine.context import Engine
from perennial.notifications.usage_alerts import PAUSE, REST, UsageAlerts
from tests.support.stage import Stage

CALLS = Meter("alert-calls", "Calls", "alert.call", Aggregation.SUM, "value")
TEN = {"feature": "calls", "kind": "limit", "limit": 10, "meter": CALLS.code, "alerts": [50, 80, 100]}


@dataclass
class Watch:
    """Machine time that stands still but for `took`, which passes between the first and the next reading of a look."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    readings: Iterator[datetime] = field(init=False)

    def __call__(self) -> datetime:
        return next(self.readings)

    def look(self, alerts: UsageAlerts, *, after: timedelta, took: timedelta = timedelta()) -> None:
        self.now += after
        self.readings = chain([self.now], repeat(self.now + took))
        assert alerts.run_once() == 0


async def test_it_looks_again_after_a_rest(engine: Engine) -> None:
    await meters.create(engine, CALLS)
    stage, watch, moment = Stage(engine), Watch(), timedelta(milliseconds=1)
    flat = {"USD": {"type": "flat", "amount": "1.00"}}
    plan = await stage.plan("limited", interval=Interval(IntervalUnit.MONTH), prices=flat, entitlements=(TEN,))
    sub = await stage.subscribe(None, plan)
    alerts = UsageAlerts(engine.sessions, watch)

    async def told() -> list[str]:
        rows = await stage.rows(
            "SELECT payload ->> 'share' FROM outbox_messages WHERE subscription_id = :id AND kind = 'usage_alert' "
            "ORDER BY id",
            id=sub,
        )
        return [share for (share,) in rows]

    await stage.use(sub, CALLS.event, datetime.now(UTC), 5)
    watch.look(alerts, after=moment)
    assert await told() == ["50"]
    await stage.use(sub, CALLS.event, datetime.now(UTC), 3)
    watch.look(alerts, after=PAUSE - moment)
    assert await told() == ["50"]
    # This look takes three seconds, so the next one is half a minute away.
    watch.look(alerts, after=moment, took=timedelta(seconds=3))
    assert await told() == ["50", "80"]
    await stage.use(sub, CALLS.event, datetime.now(UTC), 2)
    watch.look(alerts, after=REST * timedelta(seconds=3) - moment)
    assert await told() == ["50", "80"]
    watch.look(alerts, after=moment)
    assert await told() == ["50", "80", "100"]
