"""Invoices and credit notes as files over HTTP."""

import asyncio
import io
from dataclasses import dataclass

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from perennial.db.repositories import invoices
from perennial.engine.context import Engine
from tests.api.asking import Api, problem
from tests.support.papers import START, credit_invoice, issue_invoice


@dataclass(frozen=True)
class Papers:
    invoice: str
    number: str
    credit_note: str
    credit_note_number: str


@pytest.fixture(scope="module")
async def papers(engine: Engine) -> Papers:
    """A paid invoice of a merchant whose data is complete, and a credit note for a part of it."""

    def make(session: Session) -> Papers:
        invoice = issue_invoice(session)
        invoices.mark_paid(session, invoice, START)
        number = credit_invoice(session, invoice)
        note = session.query(invoices.credit_notes.CreditNote).filter_by(number=number).one()
        return Papers(invoice, session.get_one(invoices.Invoice, invoice).number or "", note.id, number)

    return await engine.write(make)


@pytest.mark.parametrize(
    ("form", "media_type", "begins"),
    [
        ("pdf", "application/pdf", b"%PDF-"),
        ("xml", "application/xml", b"<?xml"),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
    ],
)
async def test_every_form(api: Api, papers: Papers, form: str, media_type: str, begins: bytes) -> None:
    documents = (
        ("invoices", papers.invoice, papers.number),
        ("credit-notes", papers.credit_note, papers.credit_note_number),
    )
    for kind, name, number in documents:
        answer = await api.get(f"/v1/{kind}/{name}.{form}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == media_type
        assert answer.headers["content-disposition"] == f'inline; filename="{number}.{form}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content.startswith(begins)


async def test_the_pdf_carries_the_xml(api: Api, papers: Papers) -> None:
    pdf, xml = await asyncio.gather(
        api.get(f"/v1/invoices/{papers.invoice}.pdf"), api.get(f"/v1/invoices/{papers.invoice}.xml")
    )
    assert PdfReader(io.BytesIO(pdf.content)).attachments["factur-x.xml"] == [xml.content]


async def test_the_same_file_has_the_same_tag(api: Api, papers: Papers) -> None:
    path = f"/v1/invoices/{papers.invoice}.pdf"
    first, again = await api.get(path), await api.get(path)
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        unchanged = await api.ask("GET", path, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    changed = await api.ask("GET", path, headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200


async def test_a_page_may_load_nothing(api: Api, papers: Papers) -> None:
    answer = await api.get(f"/v1/invoices/{papers.invoice}.html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_without_the_data_of_the_merchant_there_is_a_pdf_but_no_e_invoice(api: Api) -> None:
    customer = await api.customer()
    await api.subscribe(customer["id"])
    invoice = (await api.get("/v1/invoices", customer_id=customer["id"])).json()["data"][0]
    refused = problem(await api.get(f"/v1/invoices/{invoice['id']}.xml"), 409, "document_incomplete")
    assert refused["subject"] == invoice["id"]
    assert "seller.country" in refused["detail"]
    pdf = await api.get(f"/v1/invoices/{invoice['id']}.pdf")
    assert dict(PdfReader(io.BytesIO(pdf.content)).attachments) == {}


async def test_the_document_itself_is_where_it_was(api: Api, papers: Papers) -> None:
    assert (await api.get(f"/v1/invoices/{papers.invoice}")).json()["number"] == papers.number
    assert (await api.get(f"/v1/credit-notes/{papers.credit_note}")).json()["number"] == papers.credit_note_number


@pytest.mark.parametrize(
    "path", ["invoices/inv_nobody.pdf", "invoices/.xml", "credit-notes/cn_nobody.html", "invoices/x.exe"]
)
async def test_what_is_not_there(api: Api, path: str) -> None:
    problem(await api.get(f"/v1/{path}"), 404, "not_found")


async def test_without_a_key_nothing_is_handed_out(api: Api, papers: Papers) -> None:
    answer = await api.http.get(f"/v1/invoices/{papers.invoice}.pdf")
    assert answer.status_code == 401
