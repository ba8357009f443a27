"""The PDF, set by typst: PDF/A-3a (archives) and PDF/UA-1 (readers who hear it), the same bytes every time.

Text of people goes in as data (`sys.inputs`), so there is no markup to break out of. The e-invoice is attached by typst
and announced by `perennial.documents.xmp`.
"""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import typst

from perennial.documents.document import Document
from perennial.documents.view import view
from perennial.documents.xmp import announce

_TEMPLATE = Path(__file__).parent / "templates" / "document.typ"
_STANDARDS: list[Any] = ["a-3a", "ua-1"]
_PNG = b"\x89PNG\r\n\x1a\n"
# What typst says of a character that no font of the document has: refused by PDF/A, for nobody could read it.
_NO_GLYPH = re.compile(r'the text `"(.+?)"` could not be displayed')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
_INSTEAD = "\N{WHITE SQUARE}"


def pdf(document: Document, e_invoice: bytes | None = None) -> bytes:
    """The document with `e_invoice` (Factur-X) embedded, if there is one."""
    made = _compile(document, "pdf", e_invoice)
    return announce(made) if e_invoice is not None else made


def pictures(document: Document, ppi: float = 110) -> list[bytes]:
    """Its pages as PNG."""
    made = _compile(document, "png", None, ppi)
    return made if isinstance(made, list) else [made]


def _compile(document: Document, form: Any, e_invoice: bytes | None, ppi: float | None = None) -> Any:
    shown = json.dumps(asdict(view(document)), ensure_ascii=False)
    logo = _logo(document.logo)
    try:
        return _with_glyphs(document, form, shown, logo, e_invoice, ppi)
    except typst.TypstError:
        if logo is None:
            raise
        # A picture that cannot be drawn must not keep an invoice from being sent.
        return _with_glyphs(document, form, shown, None, e_invoice, ppi)


def _with_glyphs(
    document: Document, form: Any, shown: str, logo: dict[str, Any] | None, e_invoice: bytes | None, ppi: float | None
) -> Any:
    """With typst's own fonts; then with those of this machine too; then without the characters that none has."""
    issued = document.issued
    inputs = {
        "logo": json.dumps(logo),
        "xml": (e_invoice or b"").decode(),
        "year": str(issued.year),
        "month": str(issued.month),
        "day": str(issued.day),
    }

    def attempt(text: str, *, system_fonts: bool) -> Any:
        return typst.compile(
            _TEMPLATE,
            format=form,
            ppi=ppi,
            font_paths=_fonts(system_fonts),
            sys_inputs={"view": text, **inputs},
            pdf_standards=_STANDARDS,
            timestamp=datetime.combine(issued, time(), UTC),
        )

    try:
        return attempt(shown, system_fonts=False)
    except typst.TypstError as error:
        if not _missing(error):
            raise
    try:
        return attempt(shown, system_fonts=True)
    except typst.TypstError as error:
        missing = _missing(error)
        if not missing:
            raise
    return attempt(_without(shown, missing), system_fonts=True)


def _missing(error: typst.TypstError) -> frozenset[str]:
    """The characters that have no glyph."""
    found = _NO_GLYPH.findall(error.diagnostic)
    texts = [_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) for text in found]
    return frozenset(character for text in texts for character in text)


def _without(shown: str, missing: frozenset[str]) -> str:
    return "".join(_INSTEAD if character in missing else character for character in shown)


@cache
def _fonts(system: bool) -> typst.Fonts:  # noqa: FBT001 - one of two sets
    return typst.Fonts(include_system_fonts=system, include_embedded_fonts=True)


def _logo(logo: bytes | None) -> dict[str, Any] | None:
    if logo is None:
        return None
    return {"format": "png" if logo.startswith(_PNG) else "svg", "data": list(logo)}
