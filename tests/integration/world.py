"""A small population that has lived through a bit of everything, on a test clock, by the engine itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.domain.calendar import Period
from perennial.domain.catalog import PlanTerms
from perennial.domain.disputes import DisputeStatus
from perennial.domain.drafts import CollectBy, DraftLine
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.commands import Command, RefundPolicy, When
from perennial.engine import (
    clocks,
    credit_notes,
    customers,
    demo_catalog,
    disputes,
    drafts,
    gifts,
    invoices,
    one_off,
    plans,
    subscriptions,
)
from perennial.engine.context import Engine
from perennial.engine.credit_notes import NewCreditNote
from perennial.engine.drafts import NewDraft
from perennial.engine.gifts import NewGift
from perennial.engine.invoices import Request
from perennial.engine.subscriptions import NewSubscription
from perennial.ports import GatewayEvent, GatewayEventKind

BEGIN = datetime(2026, 1, 31, 10, tzinfo=UTC)


@dataclass
class World:
    """`named` are ids by what they stand for."""

    engine: Engine
    clock_id: str
    named: dict[str, str] = field(default_factory=dict)
    _requests: "count[int]" = field(default_factory=lambda: count(1))

    async def customer(self, card: str | None, timezone: str = "UTC") -> str:
        made = await customers.create(self.engine, name="Ada", email="ada@example.com", timezone=timezone)
        if card:
            await customers.attach_payment_method(self.engine, made.id, card)
        return made.id

    async def subscribe(
        self,
        name: str,
        plan: str,
        card: str | None = "pm_card_visa",
        currency: str = "USD",
        timezone: str = "UTC",
        **more: Any,
    ) -> str:
        customer = await self.customer(card, timezone)
        new = NewSubscription(customer_id=customer, plan=plan, currency=currency, test_clock_id=self.clock_id, **more)
        self.named[name] = (await subscriptions.create(self.engine, new)).id
        return self.named[name]

    async def command(self, name: str, update: str, kind: type[Command], **values: Any) -> None:
        request = f"req_{next(self._requests)}"

        def make(session: Session, _row: object, at: datetime) -> Command:
            given = {key: value(session) if callable(value) else value for key, value in values.items()}
            return kind(request_id=request, at=at, **given)

        await subscriptions.command(self.engine, self.named[name], update, make)

    async def dispute(self, name: str, *news: DisputeStatus) -> None:
        """The first charge of a subscription, as its bank has it in the end."""
        find = text(
            "SELECT a.id, a.key, a.amount, a.currency FROM payment_attempts a JOIN invoices i ON i.id = a.invoice_id "
            "WHERE i.subscription_id = :id AND a.status = 'succeeded' ORDER BY a.started_at LIMIT 1"
        )
        row = await self.engine.read(lambda session: session.execute(find, {"id": self.named[name]}).one())
        for each in news:
            ref = await disputes.simulate(self.engine, row.id, each)
            kind = GatewayEventKind(f"dispute_{'opened' if each is DisputeStatus.OPEN else each.value}")
            event = GatewayEvent(f"{ref}:{each}", kind, row.key, ref, None, "fraudulent", row.amount, row.currency)
            await disputes.hear(self.engine, "simulator", event)

    async def pass_days(self, days: int) -> None:
        await clocks.advance(self.engine, self.clock_id, by=timedelta(days=days))


def terms(plan: str, currency: str = "USD") -> Callable[[Session], PlanTerms]:
    return lambda session: plans.require_terms(session, plan, currency)


async def populate(engine: Engine) -> World:
    """Half a year of a dozen lives; afterwards nothing is owed that should not be."""
    await demo_catalog.seed(engine)
    clock = await clocks.create(engine, name="healthy", now=BEGIN)
    world = World(engine, clock.id)
    await _open(world)
    await _give(world)
    await _invoice(world)
    await _live(world)
    return world


async def _open(world: World) -> None:
    await world.subscribe("month_end", "basic-monthly", timezone="America/New_York")
    await world.subscribe("yearly", "basic-monthly")
    await world.subscribe("recovers", "basic-monthly", "pm_card_declines_charges_2_to_3")
    await world.subscribe("dies", "basic-monthly", "pm_card_dies_after_2")
    await world.subscribe("trial_lapses", "trial-monthly", None)
    await world.subscribe("trial", "premium-monthly", currency="EUR", timezone="Europe/Berlin")
    await world.subscribe("weekly", "box-weekly", currency="GBP")
    await world.subscribe("seats", "team-monthly", quantity=3)
    await world.subscribe("never_paid", "basic-monthly", "pm_card_chargeDeclined")
    await world.subscribe("paused", "standard-monthly", currency="JPY", timezone="Asia/Tokyo")
    for name in ("disputed", "dispute_won", "dispute_lost"):
        await world.subscribe(name, "basic-monthly")


async def _give(world: World) -> None:
    giver, recipient = await world.customer("pm_card_visa"), await world.customer(None)
    new = NewGift(
        giver_id=giver,
        plan="standard-monthly",
        currency="USD",
        periods=2,
        recipient_email="grace@example.com",
        recipient_name="Grace",
        test_clock_id=world.clock_id,
    )
    claimed, refunded, waiting = [await gifts.buy(world.engine, new) for _ in range(3)]
    _, world.named["gifted"] = await gifts.claim(world.engine, claimed.claim_code, recipient)
    await gifts.cancel(world.engine, refunded.id)
    world.named |= {"gift_claimed": claimed.id, "gift_refunded": refunded.id, "gift_waiting": waiting.id}


async def _invoice(world: World) -> None:
    """One-off invoices: paid and partly credited, sent and never paid, taken back, still a draft."""
    year = Period(BEGIN, BEGIN + timedelta(days=365))
    lines = (
        DraftLine(description="Workshop", unit_price=Decimal("150.00"), quantity=Decimal("1.5")),
        DraftLine(description="Support", amount=36_500, period=year),
    )
    for name, collect, issued in (
        ("one_off_paid", CollectBy.CHARGE, True),
        ("one_off_sent", CollectBy.SEND, True),
        ("one_off_void", CollectBy.SEND, True),
        ("one_off_draft", CollectBy.CHARGE, False),
    ):
        customer = await world.customer("pm_card_visa")
        new = NewDraft(customer_id=customer, currency="USD", lines=lines, collect=collect, test_clock_id=world.clock_id)
        world.named[name] = (await drafts.create(world.engine, new)).id
        if issued:
            await one_off.finalise(world.engine, world.named[name])
    credit = NewCreditNote(invoice_id=world.named["one_off_paid"], amount=10_000)
    await credit_notes.issue(world.engine, credit, Request(id="req_one_off"))
    await invoices.give_up(world.engine, world.named["one_off_void"], Request(id="req_void"), write_off=False)


async def _live(world: World) -> None:
    await world.pass_days(5)
    await world.command("trial", "pause", c.PauseSubscription)
    await world.command("seats", "change_quantity", c.ChangeQuantity, quantity=5)
    await world.command("weekly", "skip_next", c.SkipNext)
    await world.command("paused", "pause", c.PauseSubscription)
    await world.pass_days(7)
    await world.command("trial", "resume", c.Resume)
    await world.command("paused", "resume", c.Resume)
    for name in ("disputed", "dispute_won", "dispute_lost"):
        await world.dispute(name, DisputeStatus.OPEN)
    await world.pass_days(20)
    await world.command("yearly", "change_plan", c.ChangePlan, terms=terms("standard-yearly"))
    await world.command("seats", "change_quantity", c.ChangeQuantity, quantity=2)
    await world.pass_days(40)
    await world.dispute("dispute_won", DisputeStatus.WON)
    await world.dispute("dispute_lost", DisputeStatus.LOST)
    await world.command("weekly", "cancel", c.Cancel, when=When.NOW, refund=RefundPolicy.PRORATED)
    await world.command("seats", "cancel", c.Cancel, when=When.PERIOD_END)
    weekly = terms("box-weekly", "EUR")
    await world.command("trial", "change_plan", c.ChangePlan, terms=weekly, when=When.PERIOD_END)
    await world.pass_days(40)
    await world.command("weekly", "reactivate", c.Reactivate)
    await world.command("paused", "pause", c.PauseSubscription)
    await world.pass_days(60)
