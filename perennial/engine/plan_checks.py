"""Whether a plan version can be sold: everything in it has a price that makes sense, in each currency of the plan.

What is wrong is named as whoever wrote the plan finds it: `charges[0].prices.USD.tiers[1].up_to`.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.catalog import PlanTerms
from perennial.domain.entitlements import check_entitlements
from perennial.domain.errors import InvalidInput, InvalidPrice, UnknownCurrency
from perennial.domain.money import exponent
from perennial.domain.pricing import Flat, PricingModel, price, pricing_model
from perennial.domain.subscription.opening import MAX_AMOUNT

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_LONGEST_NAME = 200
_MOST_PARTS = 100

# What each part of a plan says of itself, and which of it are its prices by currency.
_PARTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "charges": (("code", "name", "meter", "prices"), "prices"),
    "fees": (("code", "name", "amounts"), "amounts"),
    "addons": (("code", "name", "prices"), "prices"),
}


def check_version(new: NewPlanVersion) -> None:
    """Everything but whether its meters are there: that is known only where it is added.

    Raises:
        InvalidInput: one of its kinds, naming the field.
    """
    if not new.prices:
        raise InvalidInput("a plan needs a price", field="prices")
    for currency in new.prices:
        _check_currency(currency, f"prices.{currency}")
    for currency, data in new.prices.items():
        _check_terms(new, currency, sold_price(data, currency, f"prices.{currency}"))
    for field in _PARTS:
        _check_parts(field, getattr(new, field), new.prices.keys())
    check_entitlements(list(new.entitlements))


def sold_price(data: object, currency: str, where: str) -> PricingModel:
    """A pricing model that says what any quantity costs: its last tier has no end.

    Raises:
        InvalidPrice: naming the field below `where`.
    """
    if not isinstance(data, Mapping):
        raise InvalidPrice("must be a pricing model such as {'type': 'flat', 'amount': '9.00'}", field=where)
    try:
        model = pricing_model(data)
    except InvalidPrice as error:
        raise InvalidPrice(error.message, field=f"{where}.{error.field}") from error
    tiers = getattr(model, "tiers", ())
    if tiers and tiers[-1].up_to is not None:
        message = f"is the end of the last tier, and there is no price beyond {tiers[-1].up_to}: it must be null"
        raise InvalidPrice(message, field=f"{where}.tiers[{len(tiers) - 1}].up_to")
    if price(model, Decimal(1), currency) > MAX_AMOUNT:
        raise InvalidPrice("is more than any gateway takes for one charge", field=where)
    return model


def _check_terms(new: NewPlanVersion, currency: str, model: PricingModel) -> None:
    """What a subscriber would agree to refuses numbers that make no sense."""
    PlanTerms(
        code=new.code,
        version=1,
        name=new.name,
        interval=new.interval,
        currency=currency,
        price=model,
        trial_days=new.trial_days,
        reminder_days=new.reminder_days,
    )


def _check_currency(currency: str, where: str) -> None:
    try:
        exponent(currency)
    except UnknownCurrency:
        raise UnknownCurrency(currency, field=where) from None


def _check_parts(field: str, parts: Sequence[dict[str, Any]], currencies: Collection[str]) -> None:
    if len(parts) > _MOST_PARTS:
        raise InvalidInput(f"at most {_MOST_PARTS} of them", field=field)
    known, priced = _PARTS[field]
    seen: set[str] = set()
    for n, part in enumerate(parts):
        where = f"{field}[{n}]"
        _check_shape(part, known, where)
        if part["code"] in seen:
            raise InvalidInput(f"{part['code']!r} is the code of another of the {field}", field=f"{where}.code")
        seen.add(part["code"])
        for currency, data in _by_currency(part[priced], currencies, f"{where}.{priced}"):
            here = f"{where}.{priced}.{currency}"
            if priced == "amounts":
                _check_amount(data, currency, here)
            else:
                sold_price(data, currency, here)


def _check_shape(part: object, known: Sequence[str], where: str) -> None:
    if not isinstance(part, Mapping):
        raise InvalidInput("must be an object", field=where)
    for name in part:
        if name not in known:
            raise InvalidInput(f"is unknown; there are {', '.join(known)}", field=f"{where}.{name}")
    for name in known:
        if name not in part:
            raise InvalidInput("is missing", field=f"{where}.{name}")
    for name in ("code", "meter"):
        if name in part and not (isinstance(part[name], str) and _CODE.fullmatch(part[name])):
            raise InvalidInput("letters, digits, - and _, at most 64", field=f"{where}.{name}")
    name = part["name"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"one line of at most {_LONGEST_NAME} characters", field=f"{where}.name")


def _by_currency(prices: object, currencies: Collection[str], where: str) -> Iterator[tuple[str, object]]:
    """Exactly those of the plan: what is lacking could not be billed, what is too much could not be subscribed to."""
    if not isinstance(prices, Mapping):
        raise InvalidInput("must be an object with a price for each currency", field=where)
    for currency in currencies:
        if currency not in prices:
            raise InvalidInput(f"is missing: the plan is sold in {currency}", field=f"{where}.{currency}")
    for currency, data in prices.items():
        if currency not in currencies:
            _check_currency(currency, f"{where}.{currency}")
            raise InvalidInput(f"the plan is not sold in {currency}", field=f"{where}.{currency}")
        yield currency, data


def _check_amount(amount: object, currency: str, where: str) -> None:
    """A fee is read as the amount of a flat price."""
    try:
        model = pricing_model({"type": "flat", "amount": amount})
    except InvalidPrice as error:
        raise InvalidPrice(error.message, field=where) from error
    assert isinstance(model, Flat), where
    if price(model, Decimal(1), currency) > MAX_AMOUNT:
        raise InvalidPrice("is more than any gateway takes for one charge", field=where)
