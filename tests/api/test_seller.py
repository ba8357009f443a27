"""The seller and the merchant's own rates; what of it ends up on an invoice."""

import asyncio
import base64
import struct
import zlib
from typing import Any
from uuid import uuid4

import pytest

from perennial.db.models import Invoice
from perennial.engine.context import Engine
from tests.api.asking import Api, problem

pytestmark = pytest.mark.usefixtures("nobody_sells")

SELLER = {
    "name": "Quantum Tea GmbH",
    "address_line1": "Teeweg 1",
    "postal_code": "20457",
    "city": "Hamburg",
    "country": "DE",
    "email": "billing@quantum-tea.example",
    "vat_number": "DE 136 695 976",
    "iban": "DE89 3704 0044 0532 0130 00",
    "bic": "cobadeff",
    "timezone": "Europe/Berlin",
    "registrations": [{"country": "DE", "number": "DE136695976", "since": "2020-01-01"}, {"country": "EU"}],
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4" fill="url(#g)"/></svg>'


def png(width: int = 2, height: int = 2, rows: bytes | None = None) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"\x00" * (height * (width * 3 + 1)) if rows is None else rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def written(logo: bytes) -> str:
    return base64.b64encode(logo).decode()


async def put(api: Api, **fields: Any) -> dict[str, Any]:
    answer = await api.ask("PUT", "/v1/seller", json=SELLER | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_nobody_sells_until_somebody_says_so(api: Api) -> None:
    problem(await api.get("/v1/seller"), 404)
    kept = await put(api, logo=written(png()))
    assert (await api.get("/v1/seller")).json() == kept
    assert (kept["vat_number"], kept["iban"], kept["bic"]) == ("DE136695976", "DE89370400440532013000", "COBADEFF")
    assert (kept["invoice_prefix"], kept["tax_rounding"], kept["logo_type"]) == ("INV", "invoice", "image/png")
    assert kept["registrations"][1] == {"country": "EU", "region": None, "number": None, "since": None}


async def test_what_is_not_put_is_cleared(api: Api) -> None:
    await put(api, logo=written(SVG), footer="Tea for all")
    kept = (await api.ask("PUT", "/v1/seller", json={"name": "Quantum Tea"})).json()
    assert {name: value for name, value in kept.items() if value} == {
        "name": "Quantum Tea",
        "timezone": "UTC",
        "tax_rounding": "invoice",
        "invoice_prefix": "INV",
        "credit_note_prefix": "CN",
    }


async def test_two_who_put_at_once_are_done_one_after_the_other(api: Api) -> None:
    names = [f"Tea {n}" for n in range(8)]
    await asyncio.gather(*(put(api, name=name) for name in names))
    assert (await api.get("/v1/seller")).json()["name"] in names


async def test_an_invoice_bears_the_tax_of_its_day_and_says_between_whom(api: Api, engine: Engine, clock: str) -> None:
    await put(api)
    customer = await api.customer(country="FR", company="Radium SARL")
    subscription = await api.subscribe(customer["id"], test_clock_id=clock)
    (invoice,) = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    row = await engine.read(lambda session: session.get_one(Invoice, invoice["id"]))
    assert (row.net, row.tax, row.total) == (900, 180, 1080)  # the One-Stop-Shop: 20 % of France
    assert (row.buyer["company"], row.buyer["location_evidence"]) == (
        "Radium SARL",
        [{"kind": "billing_address", "country": "FR"}],
    )
    assert (row.seller["name"], row.seller["vat_number"]) == ("Quantum Tea GmbH", "DE136695976")


async def test_a_prefix_that_invoices_have_used_is_none_for_credit_notes(api: Api, clock: str) -> None:
    prefix = f"Y{uuid4().hex[:6].upper()}X"
    await put(api, invoice_prefix=prefix, numbers_by_year=True)
    customer = await api.customer()
    subscription = await api.subscribe(customer["id"], test_clock_id=clock)
    (invoice,) = (await api.get("/v1/invoices", subscription_id=subscription["id"])).json()["data"]
    assert invoice["number"].startswith(f"{prefix}-2026-")

    both = SELLER | {"invoice_prefix": "OTHER", "credit_note_prefix": prefix}
    problem(await api.ask("PUT", "/v1/seller", json=both), 409, "conflict")
    assert (await put(api, invoice_prefix="OTHER"))["invoice_prefix"] == "OTHER"
    assert (await put(api, invoice_prefix=prefix))["invoice_prefix"] == prefix


REFUSED = [
    ("no name", {"name": ""}, "name"),
    ("an unknown field", {"vat": "x"}, "vat"),
    ("no country", {"country": "XX"}, "country"),
    ("a region of another country", {"region": "b-c"}, "region"),
    ("registrations and no country", {"country": None, "vat_number": None}, "country"),
    ("a VAT number and no country", {"country": None, "registrations": []}, "country"),
    ("a wrong VAT number", {"vat_number": "DE136695970"}, "vat_number"),
    ("a wrong IBAN", {"iban": "DE89370400440532013001"}, "iban"),
    ("a wrong BIC", {"bic": "COBADEFFX"}, "bic"),
    ("no time zone", {"timezone": "Mars/Olympus"}, "timezone"),
    ("a prefix in small letters", {"invoice_prefix": "inv"}, "invoice_prefix"),
    ("a long prefix", {"invoice_prefix": "ABCDEFGHIJKLM"}, "invoice_prefix"),
    ("a prefix that ends like a year", {"invoice_prefix": "INV-2027"}, "invoice_prefix"),
    ("a prefix that ends with a dash", {"credit_note_prefix": "CN-"}, "credit_note_prefix"),
    ("one prefix for both", {"credit_note_prefix": "INV"}, "credit_note_prefix"),
    ("an unknown rounding", {"tax_rounding": "never"}, "tax_rounding"),
    ("a registration in no country", {"registrations": [{"country": "XX"}]}, "registrations[0].country"),
    ("a region of the Union", {"registrations": [{"country": "EU", "region": "BC"}]}, "registrations[0].region"),
    ("a state that is none", {"registrations": [{"country": "US", "region": "BC"}]}, "registrations[0].region"),
    ("the same registration twice", {"registrations": [{"country": "DE"}, {"country": "DE"}]}, "registrations[1]"),
    ("no rate where tax is collected", {"registrations": [{"country": "US", "region": "WY"}]}, "registrations[0]"),
    ("the United States as a whole", {"registrations": [{"country": "US"}]}, "registrations[0]"),
    ("a day that is none", {"registrations": [{"country": "DE", "since": "2026-02-30"}]}, "registrations[0].since"),
    ("no base64", {"logo": "<svg>"}, "logo"),
    ("a logo that is neither", {"logo": written(b"GIF89a")}, "logo"),
    ("another document", {"logo": written(b"<html/>")}, "logo"),
    ("a logo that acts", {"logo": written(SVG.replace(b"<circle", b"<script>1</script><circle"))}, "logo"),
    ("a logo that listens", {"logo": written(SVG.replace(b"<circle", b"<circle onload='1'"))}, "logo"),
    ("a logo that fetches", {"logo": written(SVG.replace(b"url(#g)", b"url(https://e.example/x)"))}, "logo"),
    ("a logo that grows", {"logo": written(b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG)}, "logo"),
    ("half a PNG", {"logo": written(png()[:-8])}, "logo"),
    ("a PNG with a wrong checksum", {"logo": written(png().replace(b"IDAT", b"IDAU"))}, "logo"),
    ("a PNG that unpacks to more than it shows", {"logo": written(png(rows=b"\x00" * 10**7))}, "logo"),
    ("a PNG as wide as a street", {"logo": written(png(width=5000, rows=b""))}, "logo"),
    ("a large logo", {"logo": written(b"\x89PNG" + b"x" * 256 * 1024)}, "logo"),
]


@pytest.mark.parametrize(("fields", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_cannot_be_right_is_refused_by_its_field(api: Api, fields: dict[str, Any], field: str) -> None:
    body = {name: value for name, value in (SELLER | fields).items() if value is not None}
    problem(await api.ask("PUT", "/v1/seller", json=body), 422, field=field)
    problem(await api.get("/v1/seller"), 404)


async def test_account_numbers_that_look_like_cards_are_none(api: Api) -> None:
    assert (await put(api, iban="BE71 0961 2345 6769"))["iban"] == "BE71096123456769"
