"""Announces the e-invoice in the PDF's own metadata, as Factur-X asks: the `fx` properties and their schema.

typst writes what PDF/A and PDF/UA want to be said, and has no way to add to it. The known tools rewrite the whole file
and lose the accessibility marks, so the packet is changed in place: it stands uncompressed in an object of its own, and
only the offsets of what follows it move.
"""

import re

from perennial.domain.errors import PerennialError

_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_PROPERTIES = {
    "DocumentType": ("INVOICE", "type of the embedded document"),
    "DocumentFileName": ("factur-x.xml", "name of the embedded XML invoice file"),
    "Version": ("1.0", "version of the Factur-X XML schema"),
    "ConformanceLevel": ("EN 16931", "conformance level of the embedded Factur-X data"),
}
_SCHEMAS_END = b"</rdf:Bag></pdfaExtension:schemas>"
_RDF_END = b"</rdf:RDF>"
_METADATA = re.compile(rb"<</Length (\d+)/Type/Metadata/Subtype/XML>>\nstream\n")
_XREF = re.compile(rb"\nxref\n0 (\d+)\n")
_START = re.compile(rb"startxref\n(\d+)\n%%EOF\s*\Z")
_ENTRY = 20
"""Bytes of a line of the cross-reference table."""


class NotOurPdf(PerennialError):
    """The file is not built as typst 0.15 builds it; a defect after an upgrade."""

    code = "not_our_pdf"


def announce(pdf: bytes) -> bytes:
    """The same file with the Factur-X properties.

    Raises:
        NotOurPdf: if it has no single plain metadata packet with extension schemas, or no plain cross-reference table.
    """
    header = _one(_METADATA, pdf)
    start, length = header.end(), int(header[1])
    packet = pdf[start : start + length]
    if packet.count(_SCHEMAS_END) != 1 or packet.count(_RDF_END) != 1:
        raise NotOurPdf("the metadata has no extension schemas")
    packet = packet.replace(_SCHEMAS_END, _schema() + _SCHEMAS_END).replace(_RDF_END, _description() + _RDF_END)
    replaced = header[0].replace(header[1], str(len(packet)).encode()) + packet
    end = start + length
    return _moved(pdf[: header.start()] + replaced + pdf[end:], end, len(replaced) - (end - header.start()))


def _moved(pdf: bytes, after: int, by: int) -> bytes:
    """What once stood behind `after` stands `by` bytes further on."""
    table, begin = _one(_XREF, pdf), _one(_START, pdf)
    rows = []
    for n in range(int(table[1])):
        row = pdf[table.end() + n * _ENTRY : table.end() + (n + 1) * _ENTRY]
        offset = int(row[:10])
        rows.append(b"%010d" % (offset + by) + row[10:] if row[17:18] == b"n" and offset >= after else row)
    body = pdf[: table.end()] + b"".join(rows) + pdf[table.end() + len(rows) * _ENTRY : begin.start()]
    return body + b"startxref\n%d\n%%%%EOF" % (int(begin[1]) + by)


def _one(pattern: re.Pattern[bytes], pdf: bytes) -> re.Match[bytes]:
    found = list(pattern.finditer(pdf))
    if len(found) != 1:
        raise NotOurPdf(f"{len(found)} places in the file look like {pattern.pattern!r}")
    return found[0]


def _description() -> bytes:
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (value, _) in _PROPERTIES.items())
    return f'<rdf:Description rdf:about="" xmlns:fx="{_NAMESPACE}">{values}</rdf:Description>'.encode()


def _schema() -> bytes:
    """PDF/A takes no property that the file does not explain."""
    properties = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        f"<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{meaning}</pdfaProperty:description></rdf:li>"
        for name, (_, meaning) in _PROPERTIES.items()
    )
    return (
        '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
        f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property></rdf:li>"
    ).encode()
