"""Invoices, payments, credit notes: read only, for they are records."""

from typing import Literal

from fastapi import APIRouter

from api.deps import EngineDep
from api.openapi import READ
from api.pagination import Filter, Listing, PageDep
from api.queries import invoices, listing, one, plainly
from api.routing import GuardedRoute
from api.schemas.documents import CreditNoteOut, InvoiceOut, PaymentOut
from api.security import REQUIRE_KEY
from perennial.db.models import CreditNote, Invoice, PaymentAttempt
from perennial.ports import ChargeStatus

router = APIRouter(
    prefix="/v1", tags=["documents"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


@router.get("/invoices")
async def list_invoices(
    engine: EngineDep,
    place: PageDep,
    customer_id: Filter = None,
    subscription_id: Filter = None,
    gift_id: Filter = None,
    status: Literal["open", "paid", "void", "uncollectible"] | None = None,
) -> Listing[InvoiceOut]:
    """With their lines."""
    of = {"customer_id": customer_id, "subscription_id": subscription_id, "gift_id": gift_id}
    return await listing(engine, Invoice, place, invoices, status=status, **of)


@router.get("/invoices/{invoice_id}")
async def get_invoice(invoice_id: str, engine: EngineDep) -> InvoiceOut:
    """One invoice with its lines."""
    row = await one(engine, Invoice, "invoice", invoice_id)
    return (await engine.read(lambda session: invoices(session, [row])))[0]


@router.get("/payments")
async def list_payments(
    engine: EngineDep,
    place: PageDep,
    customer_id: Filter = None,
    invoice_id: Filter = None,
    status: Literal["pending"] | ChargeStatus | None = None,
) -> Listing[PaymentOut]:
    """Every attempt to collect an invoice, the failed ones too."""
    of = {"customer_id": customer_id, "invoice_id": invoice_id}
    return await listing(engine, PaymentAttempt, place, plainly(PaymentOut), status=status, **of)


@router.get("/payments/{payment_id}")
async def get_payment(payment_id: str, engine: EngineDep) -> PaymentOut:
    """One attempt."""
    return PaymentOut.model_validate(await one(engine, PaymentAttempt, "payment", payment_id))


@router.get("/credit-notes")
async def list_credit_notes(
    engine: EngineDep,
    place: PageDep,
    customer_id: Filter = None,
    subscription_id: Filter = None,
    invoice_id: Filter = None,
) -> Listing[CreditNoteOut]:
    """What was given back, or credited."""
    of = {"customer_id": customer_id, "subscription_id": subscription_id, "invoice_id": invoice_id}
    return await listing(engine, CreditNote, place, plainly(CreditNoteOut), **of)


@router.get("/credit-notes/{credit_note_id}")
async def get_credit_note(credit_note_id: str, engine: EngineDep) -> CreditNoteOut:
    """One credit note."""
    return CreditNoteOut.model_validate(await one(engine, CreditNote, "credit note", credit_note_id))
