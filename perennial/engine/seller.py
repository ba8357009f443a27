"""The seller: what stands on documents, where tax is collected, and how documents are numbered. One for each database.

A put replaces everything. Documents that were issued keep what they say. Numbers stay unique and without a gap whatever
is changed here: the counters go on (`perennial.db.repositories.numbers`), a prefix cannot look like another one with a
year, and a prefix that the other kind of document has used is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from sqlalchemy import select, text
from sqlalchemy.orm import Session
from stdnum import bic, iban
from stdnum.exceptions import ValidationError

from perennial.db.models import Base, CreditNote, Invoice, OwnTaxRate, Seller
from perennial.db.repositories.tax import registration_of
from perennial.domain import calendar
from perennial.domain.errors import Conflict, InvalidInput, NotFound
from perennial.domain.invoice import TaxRounding
from perennial.domain.places import check_country, check_region
from perennial.domain.tax import Registration
from perennial.domain.taxation import ONE_STOP_SHOP
from perennial.engine.context import Engine
from perennial.engine.logos import check_logo
from perennial.engine.parties import check_place
from perennial.tax.table import TableTaxCalculator
from perennial.tax.vat import can_be_checked, check_vat_number


class _Number(Protocol):
    """A module of python-stdnum."""

    def validate(self, number: str) -> str: ...


_PREFIX = re.compile(r"[A-Z0-9-]{1,12}")
# `INV-2027` without years would make the numbers that `INV` makes with them.
_LIKE_A_YEAR = re.compile(r".*-\d*")
# Two people who save at once do it one after the other. The number is nobody else's.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7301846205)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything about the seller. Without registrations no tax is collected anywhere."""

    name: str
    address_line1: str | None = None
    address_line2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    vat_number: str | None = None
    register_number: str | None = None
    iban: str | None = None
    bic: str | None = None
    logo: bytes | None = None
    footer: str | None = None
    timezone: str = "UTC"
    registrations: tuple[Registration, ...] = ()
    tax_rounding: TaxRounding = TaxRounding.INVOICE
    invoice_prefix: str = "INV"
    credit_note_prefix: str = "CN"
    numbers_by_year: bool = False


async def get(engine: Engine) -> Profile:
    """Raises NotFound: nobody has said who sells."""
    found = await engine.read(find)
    if found is None:
        raise NotFound("seller", "seller")
    return found


async def put(engine: Engine, profile: Profile) -> Profile:
    """The profile as it is kept.

    Raises:
        InvalidInput: what cannot be right, with its field; a registration where no tax rate is known.
        Conflict: a prefix whose numbers could be taken for those of the other kind of document.
    """
    checked = _checked(profile)

    def write(session: Session) -> Profile:
        session.execute(_ONE_AT_A_TIME)
        _check_prefixes(session, find(session), checked)
        _check_rates(engine, session, checked.registrations)
        registrations = [_data(each) for each in checked.registrations]
        values = asdict(checked) | {"registrations": registrations, "tax_rounding": checked.tax_rounding.value}
        session.merge(Seller(id=1, updated_at=engine.clock(), **values))
        return checked

    return await engine.write(write)


def find(session: Session) -> Profile | None:
    row = session.get(Seller, 1)
    if row is None:
        return None
    values = {name: getattr(row, name) for name in Profile.__slots__}
    values["registrations"] = tuple(registration_of(each) for each in row.registrations)
    values["tax_rounding"] = TaxRounding(row.tax_rounding)
    return Profile(**values)


def _checked(profile: Profile) -> Profile:
    check_place({"country": profile.country, "region": profile.region})
    calendar.check_timezone(profile.timezone)
    for name in ("invoice_prefix", "credit_note_prefix"):
        _check_prefix(getattr(profile, name), name)
    if profile.invoice_prefix == profile.credit_note_prefix:
        raise InvalidInput("must be another one than that of invoices", field="credit_note_prefix")
    _check_registrations(profile)
    if profile.logo is not None:
        check_logo(profile.logo)
    return replace(
        profile,
        vat_number=_vat_number(profile),
        iban=_plain(iban, profile.iban, "iban", "is no IBAN"),
        bic=_plain(bic, profile.bic, "bic", "is no BIC"),
    )


def _check_prefix(prefix: str, field: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise InvalidInput("takes 1 to 12 capital letters, digits and dashes", field=field)
    if _LIKE_A_YEAR.fullmatch(prefix):
        raise InvalidInput(
            "must not end with a dash or with digits after a dash: it would look like a year", field=field
        )


def _vat_number(profile: Profile) -> str | None:
    """Checked where that is possible: other countries have numbers too, and documents show them."""
    if profile.vat_number is None:
        return None
    if profile.country is None:
        raise InvalidInput("a VAT number needs the seller's country", field="country")
    if not can_be_checked(profile.country):
        return profile.vat_number
    return check_vat_number(profile.vat_number, profile.country)


def _plain(number: _Number, value: str | None, field: str, message: str) -> str | None:
    try:
        return None if value is None else str(number.validate(value))
    except ValidationError:
        raise InvalidInput(message, field=field) from None


def _check_registrations(profile: Profile) -> None:
    if profile.registrations and profile.country is None:
        raise InvalidInput("tax is collected from somewhere: say in which country you are", field="country")
    seen = set()
    for n, each in enumerate(profile.registrations):
        field = f"registrations[{n}]"
        if each.country != ONE_STOP_SHOP:
            check_country(each.country, field=f"{field}.country")
        elif each.region is not None:
            raise InvalidInput("the One-Stop-Shop has no regions", field=f"{field}.region")
        if each.region is not None:
            check_region(each.country, each.region, field=f"{field}.region")
        if (each.country, each.region) in seen:
            raise InvalidInput("is there twice", field=field)
        seen.add((each.country, each.region))


def _check_rates(engine: Engine, session: Session, registrations: Sequence[Registration]) -> None:
    """A registration without a rate would be an invoice without a tax. Other calculators know for themselves."""
    if not isinstance(engine.taxes, TableTaxCalculator):
        return
    own = {(row.country, row.region) for row in session.execute(select(OwnTaxRate.country, OwnTaxRate.region))}
    known = own | {(rate.country, rate.region) for rate in engine.taxes.on(engine.clock().date())}
    for n, each in enumerate(registrations):
        if each.country != ONE_STOP_SHOP and (each.country, each.region) not in known:
            place = f"{each.country}-{each.region}" if each.region else each.country
            message = f"no tax rate is known for {place}: add one first (tax rates of your own)"
            raise InvalidInput(message, field=f"registrations[{n}]")


def _check_prefixes(session: Session, before: Profile | None, after: Profile) -> None:
    kinds: tuple[tuple[type[Base], str, str], ...] = (
        (CreditNote, "invoice_prefix", "credit notes"),
        (Invoice, "credit_note_prefix", "invoices"),
    )
    for model, name, others in kinds:
        prefix = getattr(after, name)
        if before and prefix == getattr(before, name):
            continue
        used = select(model).where(text("number ~ :numbers")).limit(1)
        if session.execute(used, {"numbers": rf"^{prefix}-(\d{{4}}-)?\d{{6,}}$"}).first():
            raise Conflict("seller", f"{name}: there are {others} with numbers {prefix}-...; take another prefix")


def _data(registration: Registration) -> dict[str, str]:
    since = registration.since.isoformat() if registration.since else None
    known = asdict(registration) | {"since": since}
    return {name: value for name, value in known.items() if value is not None}
