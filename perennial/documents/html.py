"""The document as a page: the same words and figures as the PDF, nothing loaded from elsewhere, fit for paper too."""

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perennial.documents.document import Document
from perennial.documents.view import view

_PNG = b"\x89PNG\r\n\x1a\n"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
# What the page may do, for the header of whoever serves it: a logo that is a script stays a picture.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def html(document: Document) -> str:
    return _ENVIRONMENT.get_template("document.html").render(view=view(document), logo=_source(document.logo))


def _source(logo: bytes | None) -> str:
    """A data address; as an image even an SVG runs no script and loads nothing."""
    if logo is None:
        return ""
    kind = "image/png" if logo.startswith(_PNG) else "image/svg+xml"
    return f"data:{kind};base64,{base64.b64encode(logo).decode()}"
