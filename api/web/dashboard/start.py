"""Where one begins: what is stuck, what was found, how many there are of what; and looking for something by its id."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from api.deps import EngineDep
from api.routes.invoice_files import file_of
from api.web.dashboard.guard import PATH, DashboardRoute, FormDep, go, page
from api.web.dashboard.words import lateness
from perennial.checks.stuck import Stuck, find_stuck
from perennial.db.models import Customer, Finding, Invoice, Subscription, SupportAction
from perennial.documents.files import Form
from perennial.documents.load import invoice_document
from perennial.domain.errors import NotFound
from perennial.engine import pages
from perennial.engine.context import Engine

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)

Id = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_]+$")]
# Looking at everything takes the longer the more there is; a page is not waited for any longer.
PATIENCE_SECONDS = 10.0
_FINDINGS, _SUBSCRIPTIONS = 20, 100


@dataclass(frozen=True, slots=True)
class _Counts:
    """`live`: by status, most first."""

    live: Sequence[tuple[str, int]]
    parked: int
    findings: int
    open_findings: Sequence[Finding]


@router.get("")
async def show_start(request: Request, engine: EngineDep) -> Response:
    """What needs somebody."""
    counts, stuck = await asyncio.gather(engine.read(_counts), _stuck(engine))
    return page(request, "start.html", title="Dashboard", counts=counts, stuck=stuck, late=lateness)


@router.get("/actions")
async def show_actions(
    request: Request,
    engine: EngineDep,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
) -> Response:
    """Who did what, when and why, and what came of it."""
    found = await pages.page(engine, SupportAction, after=cursor, limit=50)
    return page(request, "actions.html", title="What support did", actions=found.items, following=found.next)


@router.post("/search")
async def search(request: Request, engine: EngineDep, form: FormDep) -> Response:
    """By id, or by the number of an invoice. What is looked for stands in no address.

    Raises:
        NotFound: there is nothing of that name.
    """
    wanted = form.get("wanted", "").strip()[:64]
    place = await engine.read(lambda session: _place_of(session, wanted)) if wanted else ""
    if place is None:
        raise NotFound("subscription, customer or invoice", wanted)
    return go(request, place)


@router.get("/customers/{customer_id}")
async def show_customer(customer_id: Id, request: Request, engine: EngineDep) -> Response:
    """A customer's subscriptions and invoices; who it is, is nobody's business here."""

    def load(session: Session) -> tuple[Sequence[Subscription], Sequence[Invoice]]:
        if session.get(Customer, customer_id) is None:
            raise NotFound("customer", customer_id)
        subscriptions = select(Subscription).where(Subscription.customer_id == customer_id)
        invoices = select(Invoice).where(Invoice.customer_id == customer_id)
        return (
            session.scalars(subscriptions.order_by(Subscription.created_at.desc()).limit(_SUBSCRIPTIONS)).all(),
            session.scalars(invoices.order_by(Invoice.issued_at.desc()).limit(_SUBSCRIPTIONS)).all(),
        )

    subscriptions, invoices = await engine.read(load)
    return page(
        request,
        "customer.html",
        title=f"Customer {customer_id}",
        subscriptions=subscriptions,
        invoices=invoices,
    )


@router.get("/invoices/{invoice_id}")
async def show_invoice(invoice_id: Id, engine: EngineDep) -> Response:
    """The invoice itself, as its customer has it."""
    answer = await file_of(engine, lambda session: invoice_document(session, invoice_id), Form.HTML, None)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _stuck(engine: Engine) -> list[Stuck] | None:
    """None when there is too much to look at."""
    try:
        return await asyncio.wait_for(find_stuck(engine), PATIENCE_SECONDS)
    except TimeoutError:
        return None


def _counts(session: Session) -> _Counts:
    live = (
        select(Subscription.status, func.count()).where(Subscription.ended_at.is_(None)).group_by(Subscription.status)
    )
    parked = select(func.count()).where(Subscription.parked_at.is_not(None), Subscription.ended_at.is_(None))
    is_open = Finding.resolved_at.is_(None)
    return _Counts(
        live=[(status, n) for status, n in session.execute(live.order_by(func.count().desc()))],
        parked=session.scalars(parked).one(),
        findings=session.scalars(select(func.count()).select_from(Finding).where(is_open)).one(),
        open_findings=session.scalars(
            select(Finding).where(is_open).order_by(Finding.first_seen.desc()).limit(_FINDINGS)
        ).all(),
    )


def _place_of(session: Session, wanted: str) -> str | None:
    """An invoice leads to its subscription, which tells why it stands as it does."""
    if session.get(Subscription, wanted):
        return f"/subscriptions/{wanted}"
    if session.get(Customer, wanted):
        return f"/customers/{wanted}"
    invoice = session.scalar(select(Invoice).where(or_(Invoice.id == wanted, Invoice.number == wanted)))
    if invoice is None:
        # Whatever else has a workflow, or a subscription whose row is gone, is told of by its own page.
        is_ours = wanted.isascii() and wanted.replace("_", "").isalnum()
        kind = wanted.partition("_")[0]
        places = {"sub": "subscriptions", "brs": "batch-resets"} | dict.fromkeys(("gift", "cn", "mig"), "others")
        return f"/{places[kind]}/{wanted}" if kind in places and is_ours else None
    return f"/subscriptions/{invoice.subscription_id}" if invoice.subscription_id else f"/others/{invoice.id}"
