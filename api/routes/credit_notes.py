"""Credit notes: what an invoice gives back."""

from fastapi import APIRouter, Response

from api.credit_notes import credit_notes, preview_out
from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE, accepted
from api.pagination import Filter, Listing, PageDep
from api.queries import listing, one
from api.routes.invoicing import still_going_on
from api.routing import GuardedRoute
from api.schemas.documents import CreditNoteOut, CreditNotePreviewOut, InvoiceOut
from api.schemas.invoicing import NewCreditNote
from api.security import REQUIRE_KEY
from perennial.db.models import CreditNote
from perennial.engine import credit_notes as engine_credit_notes
from perennial.engine.context import Engine
from perennial.engine.invoices import Request

router = APIRouter(
    prefix="/v1", tags=["documents"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)


def _wanted(invoice_id: str, body: NewCreditNote) -> engine_credit_notes.NewCreditNote:
    return engine_credit_notes.NewCreditNote(
        invoice_id=invoice_id,
        amount=body.amount,
        lines=body.parts(),
        refund=body.refund == "to_method",
        reason=body.reason,
        memo=body.memo,
    )


@router.post(
    "/invoices/{invoice_id}/credit-notes",
    status_code=201,
    response_model=CreditNoteOut,
    responses=WRITE | accepted(InvoiceOut),
)
async def credit_invoice(
    invoice_id: str, engine: EngineDep, names: NamesDep, body: NewCreditNote | None = None
) -> CreditNoteOut | Response:
    """Gives back what was paid, in whole or in part; each line with its own tax. 422 says what is left."""
    request = Request(id=names.request_id)
    note_id = await engine_credit_notes.issue(engine, _wanted(invoice_id, body or NewCreditNote()), request)
    if note_id is None:
        return await still_going_on(engine, invoice_id)
    return await _shown(engine, note_id)


@router.post("/invoices/{invoice_id}/credit-notes/preview", responses=WRITE)
async def preview_credit_note(
    invoice_id: str, engine: EngineDep, _names: NamesDep, body: NewCreditNote | None = None
) -> CreditNotePreviewOut:
    """The credit note that the same body would issue now, line by line."""
    wanted = _wanted(invoice_id, body or NewCreditNote())
    return preview_out(await engine_credit_notes.preview(engine, wanted))


@router.get("/credit-notes")
async def list_credit_notes(
    engine: EngineDep,
    place: PageDep,
    customer_id: Filter = None,
    subscription_id: Filter = None,
    invoice_id: Filter = None,
) -> Listing[CreditNoteOut]:
    """What was given back, or credited, with its lines."""
    of = {"customer_id": customer_id, "subscription_id": subscription_id, "invoice_id": invoice_id}
    return await listing(engine, CreditNote, place, credit_notes, **of)


@router.get("/credit-notes/{credit_note_id}")
async def get_credit_note(credit_note_id: str, engine: EngineDep) -> CreditNoteOut:
    """One credit note with its lines and taxes."""
    return await _shown(engine, credit_note_id)


async def _shown(engine: Engine, note_id: str) -> CreditNoteOut:
    row = await one(engine, CreditNote, "credit note", note_id)
    return (await engine.read(lambda session: credit_notes(session, [row])))[0]
