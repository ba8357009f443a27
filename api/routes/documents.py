"""Invoices and payments: how they stand."""

from typing import Literal

from fastapi import APIRouter

from api.deps import EngineDep
from api.invoicing import invoice, invoice_drafts, invoices
from api.openapi import READ
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, one, plainly
from api.routing import GuardedRoute
from api.schemas.documents import InvoiceOut, PaymentOut
from api.security import REQUIRE_KEY
from perennial.db.models import Invoice, OneOffInvoice, PaymentAttempt
from perennial.db.repositories.drafts import DRAFT
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
    status: Literal["draft", "open", "paid", "void", "uncollectible"] | None = None,
) -> Listing[InvoiceOut]:
    """With their lines. Drafts are listed by `status=draft` alone, and only by customer."""
    if status == "draft":
        # No draft belongs to a subscription or gift.
        wanted = "" if subscription_id or gift_id else DRAFT
        return await listing(
            engine, OneOffInvoice, place, invoice_drafts(engine), customer_id=customer_id, status=wanted
        )
    of = {"customer_id": customer_id, "subscription_id": subscription_id, "gift_id": gift_id}
    return await listing(engine, Invoice, place, invoices, status=status, **of)


@router.get("/invoices/{invoice_id}")
async def get_invoice(invoice_id: str, engine: EngineDep) -> InvoiceOut:
    """One invoice with its lines, or a draft with what it would come to now."""
    return await engine.read(lambda session: invoice(engine, session, invoice_id))


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
