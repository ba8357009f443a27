"""Periods on named days: month ends, clock changes, leap days, each through the whole stack."""

from tests.support.stage import Stage


async def _starts(stage: Stage, sub: str) -> list[str]:
    return [f"{bill.period_start:%Y-%m-%d %H:%M}" for bill in await stage.bills(sub)]


async def test_the_last_day_of_january_renews_at_month_ends(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-06-01 00:00")
    assert await _starts(stage, sub) == [
        "2026-01-31 10:00",
        "2026-02-28 10:00",
        "2026-03-31 10:00",
        "2026-04-30 10:00",
        "2026-05-31 10:00",
    ]
    for bill in await stage.bills(sub):
        assert bill.issued_at == bill.period_start
        assert bill.closed_at == bill.period_start
    await stage.once_each(sub)


async def test_new_york_renews_at_nine_in_winter_and_in_summer(stage: Stage) -> None:
    """2026: clocks go forward on 8 March and back on 1 November."""
    clock = await stage.clock("2026-02-10 14:00")
    sub = await stage.subscribe(clock, timezone="America/New_York")
    await stage.advance(clock, "2026-04-11 00:00")
    assert await _starts(stage, sub) == ["2026-02-10 14:00", "2026-03-10 13:00", "2026-04-10 13:00"]
    await stage.advance(clock, "2026-11-11 00:00")
    assert (await _starts(stage, sub))[-2:] == ["2026-10-10 13:00", "2026-11-10 14:00"]
    await stage.once_each(sub)


async def test_a_wall_time_that_does_not_exist_renews_an_hour_later_that_day_alone(stage: Stage) -> None:
    """Berlin skips 02:30 on 29 March 2026."""
    clock = await stage.clock("2026-01-29 01:30")
    sub = await stage.subscribe(clock, timezone="Europe/Berlin", currency="EUR")
    await stage.advance(clock, "2026-05-01 00:00")
    assert await _starts(stage, sub) == ["2026-01-29 01:30", "2026-02-28 01:30", "2026-03-29 01:30", "2026-04-29 00:30"]


async def test_a_yearly_plan_from_a_leap_day_reminds_a_week_before(stage: Stage) -> None:
    clock = await stage.clock("2028-02-29 12:00")
    sub = await stage.subscribe(clock, "standard-yearly")
    await stage.advance(clock, "2029-02-21 11:59")
    assert "renewal_reminder" not in await stage.messages(sub)
    await stage.advance(clock, "2029-02-21 12:00")
    assert (await stage.messages(sub)).count("renewal_reminder") == 1
    await stage.advance(clock, "2032-03-01 00:00")
    assert await _starts(stage, sub) == [
        "2028-02-29 12:00",
        "2029-02-28 12:00",
        "2030-02-28 12:00",
        "2031-02-28 12:00",
        "2032-02-29 12:00",
    ]
    assert (await stage.messages(sub)).count("renewal_reminder") == 4


async def test_currencies_without_and_with_three_decimals(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    yen = await stage.subscribe(clock, currency="JPY", timezone="Asia/Tokyo")
    dinar = await stage.subscribe(clock, currency="KWD", timezone="Asia/Kuwait")
    await stage.advance(clock, "2026-03-01 00:00")
    assert await stage.due_amounts(yen) == [1200, 1200]
    assert await stage.due_amounts(dinar) == [2750, 2750]


async def test_two_instants_of_one_clock_move_everything_on_it(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    herd = [await stage.subscribe(clock, "box-weekly") for _ in range(6)]
    now = await stage.advance(clock, days=70)
    for sub in herd:
        assert len(await stage.bills(sub)) == 11
        assert (await stage.view(sub)).period_start == now
        await stage.once_each(sub)
