"""One-off invoices, and what people do with invoices: finalise, pay, take back, write off, record a payment."""

from fastapi import APIRouter, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from api.deps import EngineDep, NamesDep
from api.invoicing import invoice
from api.openapi import READ, WRITE, accepted
from api.routing import GuardedRoute
from api.schemas.commands import Nothing
from api.schemas.documents import InvoiceOut
from api.schemas.invoicing import InvoiceChange, NewInvoice, PayInvoice, RecordedPayment
from api.security import REQUIRE_KEY
from perennial.domain.errors import CommandRefused
from perennial.engine import drafts, invoices, one_off
from perennial.engine.context import Engine
from perennial.engine.invoices import Request

router = APIRouter(
    prefix="/v1/invoices", tags=["documents"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)
COMMAND = WRITE | accepted(InvoiceOut)
ACCEPTED = 202
View = InvoiceOut | Response


@router.post("", status_code=201, responses=WRITE)
async def create_invoice(body: NewInvoice, engine: EngineDep, names: NamesDep) -> InvoiceOut:
    """A draft of a one-off invoice. It may be changed until it is finalised under the same id."""
    new = drafts.NewDraft(
        id=names.id("inv"),
        customer_id=body.customer_id,
        currency=body.currency,
        lines=tuple(line.line() for line in body.lines),
        memo=body.memo,
        collect=body.collect,
        net_days=body.net_days,
        payment_method_id=body.payment_method_id,
        test_clock_id=body.test_clock_id,
    )
    made = await drafts.create(engine, new)
    return await _shown(engine, made.id)


@router.patch("/{invoice_id}", responses=WRITE)
async def update_invoice(invoice_id: str, body: InvoiceChange, engine: EngineDep) -> InvoiceOut:
    """Only a draft. 409 when it has been finalised."""
    await drafts.change(engine, invoice_id, **body.changes())
    return await _shown(engine, invoice_id)


@router.delete("/{invoice_id}", status_code=204, responses=WRITE)
async def delete_invoice(invoice_id: str, engine: EngineDep) -> None:
    """Only a draft: an invoice that was issued is taken back (`void`) or credited."""
    await drafts.delete(engine, invoice_id)


@router.post("/{invoice_id}/finalize", response_model=InvoiceOut, responses=COMMAND)
async def finalize_invoice(invoice_id: str, engine: EngineDep, _names: NamesDep, _body: Nothing | None = None) -> View:
    """It gets its number and is charged or sent. A declined charge leaves it open. Doing it twice changes nothing."""
    return await _told(engine, invoice_id, done=await one_off.finalise(engine, invoice_id))


@router.post("/{invoice_id}/pay", response_model=InvoiceOut, responses=COMMAND)
async def pay_invoice(invoice_id: str, engine: EngineDep, names: NamesDep, body: PayInvoice | None = None) -> View:
    """An open invoice is charged now. If the charge is declined it stays open."""
    method = body.payment_method_id if body else None
    try:
        done = await invoices.pay(engine, invoice_id, Request(id=names.request_id), method)
    except CommandRefused as refusal:
        return await _done_before(engine, names, invoice_id, "paid", refusal)
    return await _told(engine, invoice_id, done=done)


@router.post("/{invoice_id}/record-payment", response_model=InvoiceOut, responses=COMMAND)
async def record_payment(invoice_id: str, body: RecordedPayment, engine: EngineDep, names: NamesDep) -> View:
    """An open invoice was paid in full past the gateways, by bank transfer for instance."""
    try:
        done = await invoices.record_payment(engine, invoice_id, body.reference, Request(id=names.request_id))
    except CommandRefused as refusal:
        return await _done_before(engine, names, invoice_id, "paid", refusal)
    return await _told(engine, invoice_id, done=done)


@router.post("/{invoice_id}/void", response_model=InvoiceOut, responses=COMMAND)
async def void_invoice(invoice_id: str, engine: EngineDep, names: NamesDep, _body: Nothing | None = None) -> View:
    """An open invoice is taken back, as if it had never been owed. One that is paid is credited instead."""
    return await _give_up(engine, names, invoice_id, write_off=False)


@router.post("/{invoice_id}/mark-uncollectible", response_model=InvoiceOut, responses=COMMAND)
async def write_invoice_off(invoice_id: str, engine: EngineDep, names: NamesDep, _body: Nothing | None = None) -> View:
    """An open invoice is owed and will not be paid: a loss."""
    return await _give_up(engine, names, invoice_id, write_off=True)


async def _give_up(engine: Engine, names: NamesDep, invoice_id: str, *, write_off: bool) -> View:
    try:
        done = await invoices.give_up(engine, invoice_id, Request(id=names.request_id), write_off=write_off)
    except CommandRefused as refusal:
        return await _done_before(engine, names, invoice_id, "uncollectible" if write_off else "void", refusal)
    return await _told(engine, invoice_id, done=done)


async def _done_before(
    engine: Engine, names: NamesDep, invoice_id: str, wanted: str, refusal: CommandRefused
) -> InvoiceOut:
    """What a request with a name asked for is there: its first answer was lost with a process."""
    shown = await _shown(engine, invoice_id)
    if names.seed is None or shown.status != wanted:
        raise refusal
    return shown


async def _told(engine: Engine, invoice_id: str, *, done: bool) -> View:
    return await _shown(engine, invoice_id) if done else await still_going_on(engine, invoice_id)


async def still_going_on(engine: Engine, invoice_id: str) -> Response:
    """Accepted and durable: the invoice as it stands."""
    return JSONResponse(jsonable_encoder(await _shown(engine, invoice_id)), ACCEPTED)


async def _shown(engine: Engine, invoice_id: str) -> InvoiceOut:
    return await engine.read(lambda session: invoice(engine, session, invoice_id))
