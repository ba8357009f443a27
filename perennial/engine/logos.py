"""Logos that documents can be made with: PNG or SVG, small, whole, and with nothing in them that acts or fetches."""

import re
import zlib
from collections.abc import Iterator
from enum import StrEnum
from xml.etree import ElementTree as ET

from perennial.domain.errors import InvalidInput

LARGEST = 256 * 1024
WIDEST = 4096
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 13
_PIECE = 64 * 1024
_SVG = "{http://www.w3.org/2000/svg}svg"
_ACTS = frozenset({"script", "foreignobject", "iframe", "audio", "video", "handler", "set", "animate"})
_FETCHES = re.compile(r"url\(\s*['\"]?(?!#)|@import", re.IGNORECASE)


class MediaType(StrEnum):
    PNG = "image/png"
    SVG = "image/svg+xml"


def media_type(logo: bytes) -> MediaType:
    """Of a logo that was found good."""
    return MediaType.PNG if logo.startswith(_SIGNATURE) else MediaType.SVG


def check_logo(logo: bytes) -> bytes:
    """The logo itself. Raises InvalidInput: it is too large, broken, or would do something when it is shown."""
    if len(logo) > LARGEST:
        raise _wrong(f"is larger than {LARGEST // 1024} KiB")
    if logo.startswith(_SIGNATURE):
        _check_png(logo)
    else:
        _check_svg(logo)
    return logo


def _check_png(logo: bytes) -> None:
    chunks = list(_chunks(logo))
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or b"IDAT" not in kinds or b"acTL" in kinds:
        raise _wrong("is no whole PNG")
    header = chunks[0][1]
    if len(header) != _HEADER_BYTES:
        raise _wrong("is no whole PNG")
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    if not (0 < width <= WIDEST and 0 < height <= WIDEST):
        raise _wrong(f"has more than {WIDEST} pixels in a row or column")
    # Four colours of two bytes, a byte before each row, and the seven passes of an interlaced picture.
    most = 2 * height * (width * 8 + 1)
    if _unpacked(b"".join(data for kind, data in chunks if kind == b"IDAT"), most) > most:
        raise _wrong("is no whole PNG")


def _unpacked(packed: bytes, most: int) -> int:
    """How many bytes come out, piece by piece: a small file can hold a very large one."""
    unpacking, size = zlib.decompressobj(), 0
    try:
        while not unpacking.eof and size <= most:
            piece = unpacking.decompress(packed, _PIECE)
            if not piece and not unpacking.unconsumed_tail and not unpacking.eof:
                raise _wrong("is no whole PNG")
            size, packed = size + len(piece), unpacking.unconsumed_tail
    except zlib.error:
        raise _wrong("is no whole PNG") from None
    return size


def _chunks(logo: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(logo):
        length = int.from_bytes(logo[at : at + 4])
        kind, data = logo[at + 4 : at + 8], logo[at + 8 : at + 8 + length]
        checksum = logo[at + 8 + length : at + 12 + length]
        if len(checksum) != 4 or int.from_bytes(checksum) != zlib.crc32(kind + data):  # noqa: PLR2004 - bytes of it
            raise _wrong("is no whole PNG")
        yield kind, data
        at += 12 + length


def _check_svg(logo: bytes) -> None:
    # Entities can grow without end; nothing that draws needs them. NUL: UTF-16, in which the words would be hidden.
    if any(word in logo for word in (b"<!DOCTYPE", b"<!ENTITY", b"\x00")):
        raise _wrong("is neither a PNG nor an SVG without a document type")
    try:
        root = ET.fromstring(logo)  # noqa: S314 - without a document type there are no entities
    except ET.ParseError:
        raise _wrong("is neither a PNG nor an SVG") from None
    if root.tag != _SVG:
        raise _wrong("is neither a PNG nor an SVG")
    for element in root.iter():
        _check_element(element)


def _check_element(element: ET.Element) -> None:
    if _local(element.tag) in _ACTS or _FETCHES.search(element.text or ""):
        raise _wrong(f"does more than draw (<{_local(element.tag)}>)")
    for name, value in element.attrib.items():
        outside = _local(name) == "href" and not value.startswith(("#", "data:image/"))
        if _local(name).startswith("on") or outside or _FETCHES.search(value):
            raise _wrong(f"does more than draw ({_local(name)})")


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()


def _wrong(why: str) -> InvalidInput:
    return InvalidInput(why, field="logo")
