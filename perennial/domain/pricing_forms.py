"""Pricing models as people write them: JSON with decimal strings in major units, and back again.

Everything is checked here, once, at the edge: an unknown key, a float, a negative figure or a hole between tiers is
refused with the path of the field, so that a model in the catalogue can be trusted.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from typing import Any, get_args

from perennial.domain.errors import InvalidPrice
from perennial.domain.pricing_models import PackageTier, PercentTier, PricingModel, Tier

# Enough for every currency and for prices of a single token; and a bound on what exact arithmetic may be asked for.
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?")


def pricing_model(data: Mapping[str, object]) -> PricingModel:
    """The model that the JSON object describes, `type` telling which.

    Raises:
        InvalidPrice: naming the field, as a path like `tiers[1].up_to`.
    """
    kind = data.get("type")
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidPrice(f"no pricing model is called {kind!r}; there are {', '.join(_MODELS)}", field="type")
    read: PricingModel = _read(model, {key: value for key, value in data.items() if key != "type"}, "")
    return read


def pricing_data(model: PricingModel) -> dict[str, Any]:
    """The JSON object that `pricing_model` reads back to an equal model."""
    return dict(_written(model))


def _read(cls: type[Any], data: Mapping[str, object], path: str) -> Any:
    known = {f.name: f for f in fields(cls) if f.name != "type"}
    for name in data:
        if name not in known:
            raise InvalidPrice(f"{path}{name} is unknown; there are {', '.join(known)}", field=f"{path}{name}")
    values = {}
    for name, described in known.items():
        where = f"{path}{name}"
        if name not in data:
            if described.default is MISSING:
                raise InvalidPrice(f"{where} is missing", field=where)
            continue
        value = data[name]
        values[name] = None if value is None and _nullable(described) else _READERS[name](value, where, cls)
    return cls(**values)


def _nullable(described: Field[Any]) -> bool:
    return described.default is None or described.name == "up_to"


def _decimal(value: object, where: str, _: type[Any]) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidPrice(f"{where} must be a decimal string such as '9.99', not {value!r}", field=where)
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if text.startswith("-"):
        raise InvalidPrice(f"{where} must not be negative", field=where)
    if not _DECIMAL.fullmatch(text):
        raise InvalidPrice(f"{where} must be a decimal of at most 18 and 12 digits, not {value!r}", field=where)
    return Decimal(text)


def _positive(value: object, where: str, cls: type[Any]) -> Decimal:
    number = _decimal(value, where, cls)
    if not number:
        raise InvalidPrice(f"{where} must be above zero", field=where)
    return number


def _count(value: object, where: str, _: type[Any]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidPrice(f"{where} must be a whole number, zero or more, not {value!r}", field=where)
    return value


def _flag(value: object, where: str, _: type[Any]) -> bool:
    if not isinstance(value, bool):
        raise InvalidPrice(f"{where} must be true or false, not {value!r}", field=where)
    return value


def _tiers(value: object, where: str, cls: type[Any]) -> tuple[Any, ...]:
    """Rising, without a hole. The last may have an end: beyond it the model has no price, as with a range price."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InvalidPrice(f"{where} must be a list of at least one tier", field=where)
    tier = _TIERS.get(cls.__name__, Tier)
    tiers = []
    reached = Decimal(0)
    for n, item in enumerate(value):
        here = f"{where}[{n}]"
        if not isinstance(item, Mapping):
            raise InvalidPrice(f"{here} must be an object", field=here)
        if not item.keys() - {"up_to"}:
            raise InvalidPrice(f"{here} has no price; write one, even if it is zero", field=here)
        read = _read(tier, item, f"{here}.")
        if read.up_to is None and n < len(value) - 1:
            raise InvalidPrice(
                f"{here}.up_to has no end, so the tiers after it are never reached", field=f"{here}.up_to"
            )
        if read.up_to is not None and read.up_to <= reached:
            raise InvalidPrice(f"{here}.up_to must be above {reached}", field=f"{here}.up_to")
        reached = read.up_to or reached
        tiers.append(read)
    return tuple(tiers)


def _written(part: Any) -> Iterator[tuple[str, Any]]:
    for described in fields(part):
        value = getattr(part, described.name)
        if isinstance(value, Decimal):
            yield described.name, f"{value:f}"
        elif isinstance(value, tuple):
            yield described.name, [dict(_written(item)) for item in value if is_dataclass(item)]
        elif value is not None or described.name == "up_to":
            yield described.name, value


_MODELS: dict[str, type[Any]] = {
    str(described.default): model
    for model in get_args(PricingModel)
    for described in fields(model)
    if described.name == "type"
}
_TIERS: dict[str, type[Any]] = {
    "PackageGraduated": PackageTier,
    "PackageVolume": PackageTier,
    "GraduatedPercentage": PercentTier,
}
# A field means the same in every model that has it.
_READERS: dict[str, Callable[[object, str, type[Any]], object]] = {
    "amount": _decimal,
    "unit_price": _decimal,
    "free_units": _decimal,
    "flat_fee": _decimal,
    "package_price": _decimal,
    "package_size": _positive,
    "rate_percent": _decimal,
    "fixed_fee": _decimal,
    "free_events": _count,
    "free_amount": _decimal,
    "commitment_amount": _decimal,
    "overage_factor": _decimal,
    "true_up": _flag,
    "minimum_amount": _decimal,
    "up_to": _positive,
    "tiers": _tiers,
}
