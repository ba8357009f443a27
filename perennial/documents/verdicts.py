"""Whether what goes out as an e-invoice keeps the rules of EN 16931."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import CreditNote, Invoice
from perennial.documents.document import Document, DocumentIncomplete, NoEInvoice
from perennial.documents.e_invoice import e_invoice
from perennial.documents.load import credit_note_document, invoice_document
from perennial.documents.validate import violations


class Verdict(StrEnum):
    VALID = "valid"
    WRONG = "wrong"
    INCOMPLETE = "incomplete"
    NONE = "none"
    """EN 16931 cannot say what the document says; it goes out as a PDF alone. No failure."""


@dataclass(frozen=True, slots=True)
class Checked:
    id: str
    number: str
    verdict: Verdict
    found: tuple[str, ...]


def every_document(session: Session) -> Iterator[Document]:
    """All issued invoices, then all credit notes, oldest first."""
    for invoice in session.scalars(select(Invoice.id).order_by(Invoice.issued_at, Invoice.id)):
        yield invoice_document(session, invoice)
    for note in session.scalars(select(CreditNote.id).order_by(CreditNote.issued_at, CreditNote.id)):
        yield credit_note_document(session, note)


def judge(document: Document) -> Checked:
    """Against the schema and the business rules."""
    try:
        wrong = violations(e_invoice(document))
    except DocumentIncomplete as error:
        return Checked(document.id, document.number, Verdict.INCOMPLETE, error.missing)
    except NoEInvoice as error:
        return Checked(document.id, document.number, Verdict.NONE, (error.reason,))
    return Checked(document.id, document.number, Verdict.WRONG if wrong else Verdict.VALID, tuple(wrong))
