"""Invoices and credit notes as files: PDF with the e-invoice in it, the e-invoice alone, a page."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from sqlalchemy.orm import Session

from api.deps import EngineDep
from api.openapi import problems
from api.routing import GuardedRoute
from api.security import REQUIRE_KEY
from perennial.documents.document import Document
from perennial.documents.files import Form, render
from perennial.documents.html import CONTENT_SECURITY_POLICY
from perennial.documents.load import credit_note_document, invoice_document
from perennial.engine.context import Engine

router = APIRouter(prefix="/v1", tags=["documents"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY])

Known = Annotated[str | None, Header(alias="If-None-Match", description="The ETag that the caller has.")]
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "What the caller has is what there is."}}


def _declared(form: Form) -> dict[int | str, dict[str, Any]]:
    schema: dict[str, Any] = {"type": "string"} | ({"format": "binary"} if form is Form.PDF else {})
    content = {form.media_type.partition(";")[0]: {"schema": schema}}
    refused = (401, 404, 409, 422, 503) if form is Form.XML else (401, 404, 422, 503)
    return {200: {"description": "The file.", "content": content}, **_UNCHANGED, **problems(*refused)}


@router.get("/invoices/{invoice_id}.pdf", response_class=Response, responses=_declared(Form.PDF))
async def get_invoice_pdf(invoice_id: str, engine: EngineDep, known: Known = None) -> Response:
    """PDF/A-3 and PDF/UA-1, in the customer's language; with the e-invoice embedded where there can be one."""
    return await file_of(engine, lambda session: invoice_document(session, invoice_id), Form.PDF, known)


@router.get("/invoices/{invoice_id}.xml", response_class=Response, responses=_declared(Form.XML))
async def get_invoice_xml(invoice_id: str, engine: EngineDep, known: Known = None) -> Response:
    """The e-invoice: Factur-X, profile EN 16931. 409 names what is missing for it."""
    return await file_of(engine, lambda session: invoice_document(session, invoice_id), Form.XML, known)


@router.get("/invoices/{invoice_id}.html", response_class=Response, responses=_declared(Form.HTML))
async def get_invoice_html(invoice_id: str, engine: EngineDep, known: Known = None) -> Response:
    """A page for screen and paper."""
    return await file_of(engine, lambda session: invoice_document(session, invoice_id), Form.HTML, known)


@router.get("/credit-notes/{credit_note_id}.pdf", response_class=Response, responses=_declared(Form.PDF))
async def get_credit_note_pdf(credit_note_id: str, engine: EngineDep, known: Known = None) -> Response:
    """As of an invoice."""
    return await file_of(engine, lambda session: credit_note_document(session, credit_note_id), Form.PDF, known)


@router.get("/credit-notes/{credit_note_id}.xml", response_class=Response, responses=_declared(Form.XML))
async def get_credit_note_xml(credit_note_id: str, engine: EngineDep, known: Known = None) -> Response:
    """As of an invoice: type 381, naming the invoice that it corrects."""
    return await file_of(engine, lambda session: credit_note_document(session, credit_note_id), Form.XML, known)


@router.get("/credit-notes/{credit_note_id}.html", response_class=Response, responses=_declared(Form.HTML))
async def get_credit_note_html(credit_note_id: str, engine: EngineDep, known: Known = None) -> Response:
    """As of an invoice."""
    return await file_of(engine, lambda session: credit_note_document(session, credit_note_id), Form.HTML, known)


async def file_of(engine: Engine, load: Callable[[Session], Document], form: Form, known: str | None) -> Response:
    """The file, or 304 when the caller has it. Raises NotFound and what the form raises."""
    document = await engine.read(load)
    # Setting a page takes longer than a request may hold the loop, and needs no connection.
    file = await asyncio.to_thread(render, document, form)
    tag = f'"{hashlib.sha256(file.content).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if known is not None and tag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'inline; filename="{file.name}"'
    headers["X-Content-Type-Options"] = "nosniff"
    if form is Form.HTML:
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return Response(file.content, headers=headers, media_type=file.media_type)
