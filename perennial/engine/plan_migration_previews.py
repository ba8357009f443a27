"""Who would pay what after a plan migration, a page at a time; by the core itself, so it is what is then charged."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from perennial.db.models import Subscription
from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.domain.subscription.changes import kept_addons
from perennial.engine import previews, states, subscriptions
from perennial.engine.context import Engine
from perennial.engine.plan_moves import Move, NewPlanMigration, resolve


@dataclass(frozen=True, slots=True)
class PreviewedItem:
    """Minor units. `current_amount` and `new_amount` are of one whole period as priced: coupons are off it, taxes and
    usage not in it. `amount_due`, `credit_issued` and `next_amount` are those of the change's own preview. Who would be
    refused has a `code` and a `message`, and no new figures.
    """

    subscription_id: str
    customer_id: str
    from_version: int
    quantity: int
    currency: str
    current_amount: int
    new_amount: int | None = None
    amount_due: int | None = None
    credit_issued: int | None = None
    next_invoice_at: datetime | None = None
    next_amount: int | None = None
    lost_addons: tuple[str, ...] = ()
    """Add-ons that the new version does not have."""
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """Sums of the page in minor units; who would be refused is counted, and is in no sum."""

    currency: str
    subscriptions: int
    refused: int
    current_amount: int
    new_amount: int
    amount_due: int
    credit_issued: int


@dataclass(frozen=True, slots=True)
class MigrationPreview:
    """`count` is of everybody; `items` and `totals` are of this page. The next one begins `after` `next`.

    A migration that is given this `effective_at` charges these amounts. Each is computed as if it were alone: a credit
    balance that two subscriptions share is counted with both.
    """

    plan: str
    to_version: int
    from_versions: tuple[int, ...]
    effective_at: datetime
    count: int
    items: tuple[PreviewedItem, ...]
    totals: tuple[CurrencyTotal, ...]
    next: str | None


async def preview(
    engine: Engine, new: NewPlanMigration, *, after: str | None = None, limit: int = 20
) -> MigrationPreview:
    """Raises what `plan_migrations.create` raises for the plan and its versions; writes nothing."""

    def find(session: Session) -> tuple[Move, int, list[str]]:
        move = resolve(session, new, engine.clock())
        subjects = move.subjects()
        count = session.scalar(select(func.count()).select_from(subjects.subquery())) or 0
        page = subjects.order_by(Subscription.id).limit(limit + 1)
        return move, count, list(session.scalars(page.where(Subscription.id > after) if after else page))

    move, count, found = await engine.read(find)
    items = tuple([await _item(engine, move, subscription) for subscription in found[:limit]])
    return MigrationPreview(
        plan=move.plan,
        to_version=move.to_version,
        from_versions=move.from_versions,
        effective_at=move.effective_at,
        count=count,
        items=items,
        totals=totals(items),
        next=found[limit - 1] if len(found) > limit else None,
    )


async def _item(engine: Engine, move: Move, subscription: str) -> PreviewedItem:
    item = await engine.read(lambda session: _standing(session, move, subscription))
    try:
        told = await previews.preview_change(engine, subscription, move.command("preview"))
    except (CommandRefused, InvalidInput) as refusal:
        return replace(item, new_amount=None, lost_addons=(), code=refusal.code, message=refusal.message)
    return replace(
        item,
        amount_due=told.amount_due,
        credit_issued=told.credit_issued,
        next_invoice_at=told.next_invoice_at,
        next_amount=told.next_amount,
    )


def _standing(session: Session, move: Move, subscription: str) -> PreviewedItem:
    state = states.current(session, subscriptions.require(session, subscription))
    item = PreviewedItem(
        subscription_id=state.id,
        customer_id=state.customer_id,
        from_version=state.terms.version,
        quantity=state.quantity,
        currency=state.currency,
        current_amount=state.discounted_amount,
    )
    try:
        terms = move.terms(session, state.currency)
        moved = replace(state, terms=terms, addons=kept_addons(state, terms))
        lost = tuple(addon.code for addon in state.addons if addon not in moved.addons)
        return replace(item, new_amount=moved.discounted_amount, lost_addons=lost)
    except InvalidInput:
        return item  # the preview of the change says the same, with its reason


def totals(items: Iterable[PreviewedItem]) -> tuple[CurrencyTotal, ...]:
    """By currency, in alphabetical order."""
    items = list(items)
    return tuple(
        _total(currency, [item for item in items if item.currency == currency])
        for currency in sorted({item.currency for item in items})
    )


def _total(currency: str, items: list[PreviewedItem]) -> CurrencyTotal:
    moved = [item for item in items if item.code is None]
    return CurrencyTotal(
        currency=currency,
        subscriptions=len(items),
        refused=len(items) - len(moved),
        current_amount=sum(item.current_amount for item in moved),
        new_amount=sum(item.new_amount or 0 for item in moved),
        amount_due=sum(item.amount_due or 0 for item in moved),
        credit_issued=sum(item.credit_issued or 0 for item in moved),
    )
