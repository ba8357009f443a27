"""Who sells to whom, as tax law and documents see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from perennial.db.models import Customer, LocationEvidence, OwnTaxRate, Seller
from perennial.db.repositories.numbers import Numbering
from perennial.db.tables import table_of
from perennial.domain.invoice import TaxRounding
from perennial.domain.tax import DatedRate, Registration, Sale, TaxCustomer, TaxSeller
from perennial.domain.taxation import place_of


@dataclass(frozen=True, slots=True)
class Parties:
    """`buyer` and `seller` as they stand on documents; how tax is rounded and documents are numbered.

    Both are JSON without what is not known. `buyer.location_evidence` is kept with every document.
    """

    buyer: dict[str, Any]
    seller: dict[str, Any]
    tax_rounding: TaxRounding = TaxRounding.INVOICE
    numbering: Numbering = field(default_factory=Numbering)

    @property
    def evidence(self) -> list[dict[str, str]]:
        """What says where the buyer is: [{kind, country, region}]."""
        found: list[dict[str, str]] = self.buyer.get("location_evidence", [])
        return found


_ADDRESS = ("address_line1", "address_line2", "postal_code", "city", "region", "country")
_BANK = ("iban", "bic")
BUYER = ("name", "company", *_ADDRESS, "email", "vat_number", "tax_exempt", "locale", "timezone")
SELLER = ("name", *_ADDRESS, "email", "phone", "website", "vat_number", "register_number", *_BANK, "footer", "timezone")
_DECIDE = ("registrations", "tax_rounding", "invoice_prefix", "credit_note_prefix", "numbers_by_year")

# Asked at every renewal: one statement, built once (perennial.db.tables).
_customers, _sellers, _evidence = table_of(Customer), table_of(Seller), table_of(LocationEvidence)
# The newest word of each kind.
_newest = (
    select(_evidence.c.kind, _evidence.c.country, _evidence.c.region)
    .where(_evidence.c.customer_id == bindparam("customer"))
    .ext(distinct_on(_evidence.c.kind))
    .order_by(_evidence.c.kind, _evidence.c.id.desc())
    .subquery()
)
_words = select(
    func.jsonb_agg(
        func.jsonb_strip_nulls(
            func.jsonb_build_object("kind", _newest.c.kind, "country", _newest.c.country, "region", _newest.c.region)
        )
    )
).scalar_subquery()
_PARTIES = (
    select(
        *(_customers.c[name].label(f"buyer_{name}") for name in (*BUYER, "vat_checked_at")),
        *(_sellers.c[name].label(f"seller_{name}") for name in (*SELLER, *_DECIDE)),
        _words.label("evidence"),
    )
    .select_from(_customers.outerjoin(_sellers, true()))
    .where(_customers.c.id == bindparam("customer"))
)
_rates = table_of(OwnTaxRate)
_RATES = select(_rates).where(
    _rates.c.country.in_(bindparam("countries", expanding=True)),
    _rates.c.valid_from <= bindparam("on"),
    (_rates.c.valid_to > bindparam("on")) | _rates.c.valid_to.is_(None),
)


def sale_for(session: Session, customer_id: str, currency: str, as_of: datetime) -> tuple[Sale, Parties]:
    """What a tax calculator is asked at `as_of`, and what the document says of both sides. One statement, or two.

    Raises:
        LookupError: if there is no such customer.
    """
    row = session.execute(_PARTIES, {"customer": customer_id}).mappings().one_or_none()
    if row is None:
        msg = f"no customer {customer_id}"
        raise LookupError(msg)
    buyer = _known(row, "buyer_", BUYER)
    if row["evidence"]:
        buyer["location_evidence"] = row["evidence"]
    customer = TaxCustomer(
        country=row["buyer_country"],
        region=row["buyer_region"],
        postal_code=row["buyer_postal_code"],
        vat_number=row["buyer_vat_number"] if row["buyer_vat_checked_at"] else None,
        exempt=row["buyer_tax_exempt"],
    )
    if row["seller_name"] is None:
        return Sale(TaxSeller(None), customer, as_of.date(), currency), Parties(buyer, {})
    seller = TaxSeller(
        row["seller_country"],
        row["seller_region"],
        tuple(registration_of(each) for each in row["seller_registrations"]),
    )
    on = as_of.astimezone(ZoneInfo(row["seller_timezone"])).date()
    own = own_rates(session, {seller.country, customer.country}, on) if seller.registrations else ()
    numbering = Numbering(
        invoice_prefix=row["seller_invoice_prefix"],
        credit_note_prefix=row["seller_credit_note_prefix"],
        by_year=row["seller_numbers_by_year"],
        timezone=row["seller_timezone"],
    )
    parties = Parties(buyer, _known(row, "seller_", SELLER), TaxRounding(row["seller_tax_rounding"]), numbering)
    return Sale(seller, customer, on, currency, own), parties


def own_rates(session: Session, countries: set[str | None], on: date) -> tuple[DatedRate, ...]:
    """The merchant's own rates of these countries that hold on that day."""
    named = sorted({place_of(country).country for country in countries if country})
    return tuple(dated_rate(row) for row in session.execute(_RATES, {"countries": named, "on": on}))


def dated_rate(row: Any) -> DatedRate:
    """An own rate (a row or an entity) as the domain has it."""
    return DatedRate(
        country=row.country,
        region=row.region,
        name=row.name,
        percent=row.percent,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        source=row.id,
        combined=row.combined,
    )


def registration_of(data: Mapping[str, Any]) -> Registration:
    """One of `Seller.registrations`."""
    since = data.get("since")
    return Registration(
        data["country"], data.get("region"), data.get("number"), date.fromisoformat(since) if since else None
    )


def _known(row: RowMapping, prefix: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[prefix + name] for name in names if row[prefix + name] not in (None, False)}
