"""A document as a file to send: its name, its type, its bytes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from perennial.documents.document import Document, DocumentIncomplete, NoEInvoice
from perennial.documents.e_invoice import e_invoice
from perennial.documents.html import html
from perennial.documents.pdf import pdf
from perennial.documents.validate import violations

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Form(StrEnum):
    PDF = "pdf"
    XML = "xml"
    HTML = "html"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {Form.PDF: "application/pdf", Form.XML: "application/xml", Form.HTML: "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class File:
    """`name` is the document's number with what a file name may not hold taken out."""

    name: str
    media_type: str
    content: bytes


def render(document: Document, form: Form) -> File:
    """The file. A PDF has the e-invoice in it if there can be one.

    Raises:
        DocumentIncomplete: the XML is asked for, and data that EN 16931 demands has not been entered.
        NoEInvoice: the XML is asked for, and EN 16931 cannot say what this document says.
    """
    name = _UNSAFE.sub("-", document.number).strip("-.") or document.kind.value
    return File(f"{name}.{form.value}", form.media_type, _CONTENT[form](document))


def valid_e_invoice(document: Document) -> bytes:
    """None leaves this house that breaks a rule of EN 16931. Raises as `render` does."""
    xml = e_invoice(document)
    if wrong := violations(xml):
        raise NoEInvoice(document.id, "; ".join(wrong))
    return xml


def _pdf(document: Document) -> bytes:
    try:
        attached = valid_e_invoice(document)
    except (DocumentIncomplete, NoEInvoice):
        return pdf(document)
    return pdf(document, attached)


_CONTENT: Mapping[Form, Callable[[Document], bytes]] = {
    Form.PDF: _pdf,
    Form.XML: valid_e_invoice,
    Form.HTML: lambda document: html(document).encode(),
}
