"""The link in a mail: pay this invoice. It opens a checkout session of its own, and says nothing of the customer."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.deps import EngineDep
from api.web import pages
from api.web.checkout import enter
from api.web.words import Words
from perennial import links
from perennial.db.models import Customer, Invoice
from perennial.domain.errors import InvoiceNotOpen, NotFound
from perennial.domain.one_off import InvoicePaid
from perennial.engine import checkout
from perennial.engine.context import Engine

router = APIRouter(prefix="/pay", include_in_schema=False, route_class=pages.PageRoute)

Part = Annotated[str, Path(max_length=128)]


@router.get("/{invoice_id}/{token}")
async def pay_invoice(invoice_id: Part, token: Part, request: Request, engine: EngineDep) -> Response:
    """To the checkout of this invoice, as long as it is open."""
    if not links.is_pay_token(engine.settings, invoice_id, token):
        raise NotFound("invoice", invoice_id)
    try:
        row = await checkout.follow_link(engine, invoice_id)
    except InvoicePaid:
        words, number = await _of_invoice(engine, invoice_id)
        return pages.message(request, words, "already_paid", number=number)
    except InvoiceNotOpen:
        words, number = await _of_invoice(engine, invoice_id)
        return pages.message(request, words, "void", number=number)
    return enter(engine, row, links.checkout_secret(engine.settings, row.id))


async def _of_invoice(engine: Engine, invoice_id: str) -> tuple[Words, str]:
    """The customer's words, and the number of the invoice."""
    invoice = await engine.read(lambda session: session.get_one(Invoice, invoice_id))
    customer = await engine.read(lambda session: session.get_one(Customer, invoice.customer_id))
    return Words(customer.locale), invoice.number or invoice.id
