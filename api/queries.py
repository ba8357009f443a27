"""What the API shows beside the rows that it lists."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from api.pagination import Listing, Pagination
from api.schemas.common import Outgoing
from api.schemas.plans import IntervalOut, PlanOut
from api.schemas.subscriptions import SubscriptionOut
from perennial.contracts.views import view_of
from perennial.db.models import Base, Plan, PlanVersion, Subscription
from perennial.domain.errors import NotFound
from perennial.engine import pages, plans, states
from perennial.engine.context import Engine
from perennial.ports import Page

RowT = TypeVar("RowT", bound=Base)
ItemT = TypeVar("ItemT")
OutT = TypeVar("OutT", bound=Outgoing)


async def one(engine: Engine, model: type[RowT], kind: str, id: str) -> RowT:
    """A row by its id.

    Raises:
        NotFound: there is none.
    """
    row = await engine.read(lambda session: session.get(model, id))
    if row is None:
        raise NotFound(kind, id)
    return row


async def listing(
    engine: Engine,
    model: type[RowT],
    place: Pagination,
    show: Callable[[Session, Sequence[RowT]], list[ItemT]],
    **filters: Any,
) -> Listing[ItemT]:
    """A page of rows with what belongs to them, read in one transaction. A filter that is None does not filter."""

    def load(session: Session) -> Page[ItemT]:
        page = pages.load(session, model, after=place.after, limit=place.limit, filters=filters)
        return Page(tuple(show(session, page.items)), page.next)

    return place.listing(await engine.read(load))


def plainly(schema: type[OutT]) -> Callable[[Session, Sequence[Base]], list[OutT]]:
    """For rows that are shown as they are."""
    return lambda _, rows: [schema.model_validate(row) for row in rows]


def subscriptions(session: Session, rows: Sequence[Subscription]) -> list[SubscriptionOut]:
    return [SubscriptionOut.model_validate(view_of(states.current(session, row))) for row in rows]


def plans_of(session: Session, rows: Sequence[Plan]) -> list[PlanOut]:
    return [plan_out(plans.require(session, row.code), row) for row in rows]


def versions_of(session: Session, rows: Sequence[PlanVersion]) -> list[PlanOut]:
    return [plan_out(row, session.get_one(Plan, row.plan_code)) for row in rows]


def plan_out(version: PlanVersion, plan: Plan) -> PlanOut:
    return PlanOut(
        code=plan.code,
        version=version.version,
        name=version.name,
        interval=IntervalOut(unit=version.interval_unit, count=version.interval_count),
        prices=version.prices,
        trial_days=version.trial_days,
        trial_needs_card=version.trial_needs_card,
        reminder_days=version.reminder_days,
        proration=version.proration,
        dunning=version.dunning,
        allow_multiple=version.allow_multiple,
        charges=version.charges,
        fees=version.fees,
        addons=version.addons,
        entitlements=version.entitlements,
        tax_inclusive=version.tax_inclusive,
        cancel_refund=version.cancel_refund,
        refund_to_credit=version.refund_to_credit,
        on_dispute=version.on_dispute,
        created_at=version.created_at,
        archived_at=plan.archived_at,
    )
