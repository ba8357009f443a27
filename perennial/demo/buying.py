"""What customers do besides their plan: add-ons, usage, invoices that they pay by transfer."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import Invoice, Subscription
from perennial.demo.scene import Scene
from perennial.domain.catalog import AddOn
from perennial.domain.subscription import commands as c
from perennial.engine import usage
from perennial.engine.subscriptions import edge_time
from perennial.engine.usage import NewEvent

_MOST_CALLS = 60_000
_MOST_STORAGE = 80


async def add_on(scene: Scene) -> None:
    """Support, and some storage: exactly so much from now on."""
    support = (AddOn("priority-support", 1),) if scene.chance.random() < 1 / 2 else ()
    wanted = (*support, AddOn("storage", scene.chance.randint(1, 4)))
    await _change_add_ons(scene, wanted, scene.chance.choice((c.When.NOW, c.When.NOW, c.When.PERIOD_END)))


async def drop_add_ons(scene: Scene) -> None:
    await _change_add_ons(scene, (), c.When.PERIOD_END)


async def _change_add_ons(scene: Scene, wanted: tuple[AddOn, ...], when: c.When) -> None:
    await scene.ask(
        "change_addons", lambda _s, _row, at, rid: c.ChangeAddOns(request_id=rid, at=at, addons=wanted, when=when)
    )


async def use_api(scene: Scene) -> None:
    """Some calls, and how much is stored at the moment; measured whether the plan bills it or not."""
    subscription = scene.subscription
    if subscription is None:
        return
    scene.requests += 1
    now = await scene.engine.read(lambda session: edge_time(scene.engine, session, scene.clock))
    measured = (
        ("api_call", {"value": scene.chance.randint(1, _MOST_CALLS)}),
        ("api_call", {"value": scene.chance.randint(1, _MOST_CALLS)}),
        ("storage", {"gb": scene.chance.randint(0, _MOST_STORAGE)}),
    )
    events = [
        NewEvent(
            id=f"{scene.person.seed}:{scene.requests}:{n}",
            customer_id=scene.customer,
            subscription_id=subscription,
            name=name,
            at=now,
            properties=properties,
        )
        for n, (name, properties) in enumerate(measured)
    ]
    await scene.attempt("usage sent", lambda: usage.ingest(scene.engine, events))


async def pay_invoice(scene: Scene) -> None:
    """By bank transfer, the oldest one first."""
    wanted = select(Invoice.key).where(Invoice.subscription_id == scene.subscription, Invoice.status == "open")
    oldest = wanted.order_by(Invoice.issued_at, Invoice.number).limit(1)
    invoice = await scene.engine.read(lambda session: session.scalar(oldest))
    if invoice is None:
        return

    def build(_session: Session, _row: Subscription, at: datetime, rid: str) -> c.Command:
        return c.RecordPayment(request_id=rid, at=at, invoice=invoice, reference=f"TRANSFER {scene.requests}")

    await scene.ask("record_payment", build)
