"""Customers, where they are, and the tokens of their payment methods."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Unpack

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from perennial.db.models import Customer, LocationEvidence, PaymentMethod
from perennial.domain import calendar
from perennial.domain.errors import InvalidInput, NotFound
from perennial.domain.places import check_country, check_region
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.parties import Address, check_locale, check_place
from perennial.ports import CardDetails, UnknownToken
from perennial.tax.vat import check_vat_number

LONGEST_NET_DAYS = 365
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
# What every customer has: None leaves it as it is, where it clears the others.
_KEPT = frozenset({"name", "email", "timezone", "locale", "tax_exempt"})


class EvidenceKind(StrEnum):
    BILLING_ADDRESS = "billing_address"
    IP = "ip"
    CARD = "card"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What says in which country (and region) a customer is. The address speaks without being asked."""

    kind: EvidenceKind
    country: str
    region: str | None = None


class Details(Address, total=False):
    """What tax and documents ask of a customer. `net_days` None: the payment method is charged at once.

    `location_evidence` is added to what is known. `customer_group`: who is treated alike when a payment fails.
    """

    locale: str | None
    company: str | None
    vat_number: str | None
    tax_exempt: bool | None
    net_days: int | None
    customer_group: str | None
    location_evidence: Sequence[Evidence]


class Change(Details, total=False):
    name: str | None
    email: str | None
    timezone: str | None


async def create(
    engine: Engine, *, name: str, email: str, timezone: str = "UTC", id: str | None = None, **details: Unpack[Details]
) -> Customer:
    """The same `id` again gives the customer that exists.

    Raises:
        InvalidInput: a country, region, language or VAT number that cannot be right; `field` names it.
    """
    customer_id, now = id or new_id("cus"), engine.clock()
    return await engine.write(
        lambda session: add(session, customer_id, now, name=name, email=email, timezone=timezone, **details)
    )


def add(
    session: Session,
    customer_id: str,
    now: datetime,
    *,
    name: str,
    email: str,
    timezone: str = "UTC",
    **details: Unpack[Details],
) -> Customer:
    """`create` within a transaction."""
    found = session.get(Customer, customer_id)
    if found is None:
        calendar.check_timezone(timezone)
        found = Customer(id=customer_id, name=name, email=email, timezone=timezone, created_at=now)
        _apply(session, found, details, now)
    return found


async def change(engine: Engine, customer_id: str, **changes: Unpack[Change]) -> Customer:
    """Changes what is named and leaves the rest; None clears what a customer need not have.

    Documents that were issued keep what they say, subscriptions the time zone that they began with.

    Raises:
        InvalidInput: as `create`; also when a VAT number that stays does not go with the new country.
    """
    if timezone := changes.get("timezone"):
        calendar.check_timezone(timezone)

    def write(session: Session) -> Customer:
        customer = require(session, customer_id, lock=True)
        _apply(session, customer, changes, engine.clock())
        return customer

    return await engine.write(write)


def _apply(session: Session, customer: Customer, changes: Mapping[str, Any], now: datetime) -> None:
    fields = {name: value for name, value in changes.items() if value is not None or name not in _KEPT}
    evidence = [_checked(each) for each in fields.pop("location_evidence", ())]
    if "locale" in fields:
        fields["locale"] = check_locale(fields["locale"])
    if not 0 <= (fields.get("net_days") or 0) <= LONGEST_NET_DAYS:
        raise InvalidInput(f"must be from 0 to {LONGEST_NET_DAYS} days", field="net_days")
    if group := fields.get("customer_group"):
        check_group(group)
    before = (customer.country, customer.region, customer.vat_number)
    for name, value in fields.items():
        setattr(customer, name, value)
    check_place({"country": customer.country, "region": customer.region})
    if (customer.country, customer.vat_number) != (before[0], before[2]):
        _check_number(customer, now)
    if customer.country and (customer.country, customer.region) != before[:2]:
        evidence.insert(0, Evidence(EvidenceKind.BILLING_ADDRESS, customer.country, customer.region))
    session.add(customer)
    session.flush()
    for each in evidence:
        row = LocationEvidence(
            customer_id=customer.id, kind=each.kind.value, country=each.country, region=each.region, recorded_at=now
        )
        session.add(row)


def _check_number(customer: Customer, now: datetime) -> None:
    if customer.vat_number is None:
        customer.vat_checked_at = None
        return
    if customer.country is None:
        raise InvalidInput("a VAT number needs the customer's country", field="country")
    customer.vat_number = check_vat_number(customer.vat_number, customer.country)
    customer.vat_checked_at = now


def check_group(name: str) -> str:
    """Raises InvalidInput."""
    if not _GROUP.fullmatch(name):
        raise InvalidInput("letters, digits, - and _, at most 64", field="customer_group")
    return name


def _checked(evidence: Evidence) -> Evidence:
    field = "location_evidence"
    check_country(evidence.country, field=field)
    if evidence.region is not None:
        check_region(evidence.country, evidence.region, field=field)
    return evidence


async def get(engine: Engine, customer_id: str) -> Customer:
    return await engine.read(lambda session: require(session, customer_id))


def require(session: Session, customer_id: str, *, lock: bool = False) -> Customer:
    customer = session.get(Customer, customer_id, with_for_update={"key_share": True} if lock else None)
    if customer is None:
        raise NotFound("customer", customer_id)
    return customer


async def attach_payment_method(
    engine: Engine,
    customer_id: str,
    token: str,
    *,
    default: bool = True,
    id: str | None = None,
    gateway: str | None = None,
) -> PaymentMethod:
    """Keep a gateway's token. `gateway` None: the first that knows it.

    Raises:
        InvalidInput: no such gateway is enabled, or it does not know the token.
    """
    method_id = id or new_id("pm")

    def find(session: Session) -> PaymentMethod | None:
        require(session, customer_id)
        return session.get(PaymentMethod, method_id)

    if known := await engine.read(find):
        return known
    # A call over the network: never inside a transaction, least of all one that holds the customer.
    known_to, card = await asyncio.to_thread(recognise, engine, token, gateway)

    def insert(session: Session) -> PaymentMethod:
        require(session, customer_id, lock=True)
        if found := session.get(PaymentMethod, method_id):
            return found
        first = default_method(session, customer_id) is None
        if default and not first:
            held = update(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.is_default)
            session.execute(held.values(is_default=False))
        method = PaymentMethod(
            id=method_id,
            customer_id=customer_id,
            gateway=known_to,
            token=token,
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            fingerprint=card.fingerprint or card_of(customer_id, token),
            is_default=default or first,
            created_at=engine.clock(),
        )
        session.add(method)
        return method

    return await engine.write(insert)


def recognise(
    engine: Engine, token: str, gateway: str | None = None, *, field: str = "payment_method"
) -> tuple[str, CardDetails]:
    """The gateway that knows a token, and what it shows of the card; it is asked over the network.

    Raises:
        InvalidInput: `gateway` is not enabled, or nobody knows the token. It is not repeated: it may be a card number.
    """
    if gateway is not None and gateway not in engine.gateways:
        raise InvalidInput(f"the gateway {gateway!r} is not enabled", field="gateway")
    for each in engine.gateways:
        if gateway in (None, each.name):
            with suppress(UnknownToken):
                return each.name, each.describe_token(token)
    raise InvalidInput("the gateway does not know this payment method", field=field)


def card_of(customer_id: str, token: str) -> str:
    """Where the gateway does not tell cards apart, a token is one card of this customer, however often it is given."""
    return sha256(f"{customer_id}:{token}".encode()).hexdigest()[:16]


async def set_roles(
    engine: Engine, customer_id: str, method_id: str, *, default: bool | None = None, backup: bool | None = None
) -> PaymentMethod:
    """Which method new subscriptions use, and which is tried once when another is declined; one of each at most.

    Raises:
        NotFound: no such method of this customer.
        InvalidInput: the default method cannot be given up, only another one be made it; nor can it be the backup.
    """

    def change(session: Session) -> PaymentMethod:
        require(session, customer_id, lock=True)
        method = require_method(session, customer_id, method_id)
        if default is False and method.is_default:
            message = "make another method the default instead"
            raise InvalidInput(message, field="default")
        others = update(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.id != method_id)
        if default:
            session.execute(others.values(is_default=False))
            method.is_default, method.is_backup = True, False
        if backup and method.is_default:
            message = "the default method is no backup"
            raise InvalidInput(message, field="backup")
        if backup:
            session.execute(others.values(is_backup=False))
        if backup is not None:
            method.is_backup = backup
        return method

    return await engine.write(change)


async def detach(engine: Engine, customer_id: str, method_id: str) -> None:
    """It is never charged again; its past payments keep it."""

    def mark(session: Session) -> None:
        method = session.get(PaymentMethod, method_id, with_for_update=True)
        if method is None or method.customer_id != customer_id or method.detached_at:
            raise NotFound("payment method", method_id)
        method.detached_at = engine.clock()
        method.is_default = False
        method.is_backup = False

    await engine.write(mark)


async def payment_methods(engine: Engine, customer_id: str) -> list[PaymentMethod]:
    def load(session: Session) -> list[PaymentMethod]:
        require(session, customer_id)
        return attached(session, customer_id)

    return await engine.read(load)


def attached(session: Session, customer_id: str) -> list[PaymentMethod]:
    """Oldest first."""
    theirs = select(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.detached_at.is_(None))
    return list(session.scalars(theirs.order_by(PaymentMethod.created_at, PaymentMethod.id)))


def default_method(session: Session, customer_id: str) -> PaymentMethod | None:
    return session.scalar(
        select(PaymentMethod).where(
            PaymentMethod.customer_id == customer_id,
            PaymentMethod.is_default,
            PaymentMethod.detached_at.is_(None),
        )
    )


def require_method(session: Session, customer_id: str, method_id: str) -> PaymentMethod:
    """A usable method of this customer.

    Raises:
        InvalidInput: if it is somebody else's, detached or unknown.
    """
    method = session.get(PaymentMethod, method_id)
    if method is None or method.customer_id != customer_id or method.detached_at:
        message = f"customer {customer_id} has no payment method {method_id!r}"
        raise InvalidInput(message, field="payment_method_id")
    return method
