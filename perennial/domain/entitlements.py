"""What a plan entitles to: switches, limits, texts; and what the plans of one customer entitle to together.

`docs/billing-rules/entitlements.md` decides the edges.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any

from perennial.domain.errors import InvalidInput

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?")
_LONGEST_TEXT = 200
_HIGHEST_SHARE = 1000


class EntitlementKind(StrEnum):
    SWITCH = "switch"
    LIMIT = "limit"
    TEXT = "text"


_FIELDS = {
    EntitlementKind.SWITCH: {"value"},
    EntitlementKind.LIMIT: {"limit", "meter", "hard", "alerts"},
    EntitlementKind.TEXT: {"value"},
}


@dataclass(frozen=True, slots=True)
class Entitlement:
    """One thing that a plan version gives.

    `value` is that of a switch or a text. `limit` None: unlimited; what is used of it in a billing period `meter`
    counts, or nobody here. A `hard` limit is not to be passed, a soft one is told. `alerts` are per cent of the limit.
    """

    feature: str
    kind: EntitlementKind
    value: bool | str = True
    limit: Decimal | None = None
    meter: str | None = None
    hard: bool = True
    alerts: tuple[int, ...] = ()

    def reached(self, used: Decimal) -> tuple[int, ...]:
        """Which of the alerts this much use has reached. Nothing has been reached where nothing was used."""
        if self.limit is None or used <= 0:
            return ()
        return tuple(share for share in self.alerts if used * 100 >= self.limit * share)


@dataclass(frozen=True, slots=True)
class Held:
    """An entitlement of one subscription, and what was used of it in the period that ends at `period_end` (UTC)."""

    subscription_id: str
    period_end: datetime
    entitlement: Entitlement
    used: Decimal | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A feature as a customer has it, over all subscriptions.

    `allowed`: whether it may be used (on). Of a limit, `limit` None is unlimited, `used` None is not measured, and
    `over` says that more was used than it holds. `resets_at` is the first end of a period that it counts in.
    """

    feature: str
    kind: EntitlementKind
    allowed: bool
    subscriptions: tuple[str, ...]
    values: tuple[str, ...] = ()
    limit: Decimal | None = None
    used: Decimal | None = None
    remaining: Decimal | None = None
    over: bool = False
    hard: bool = False
    resets_at: datetime | None = None


def check_entitlements(data: Sequence[Mapping[str, Any]]) -> tuple[Entitlement, ...]:
    """The entitlements of a plan version, as people write them: {feature, kind, ...}.

    Raises:
        InvalidInput: naming what is wrong, as `entitlements[0].limit`.
    """
    seen: set[str] = set()
    read = []
    for n, part in enumerate(data):
        where = f"entitlements[{n}]"
        entitlement = _read(part, where)
        if entitlement.feature in seen:
            raise InvalidInput(f"{entitlement.feature!r} stands there twice", field=f"{where}.feature")
        seen.add(entitlement.feature)
        read.append(entitlement)
    return tuple(read)


def together(held: Sequence[Held]) -> tuple[Standing, ...]:
    """What all subscriptions give: a switch that is on somewhere is on, limits and their use add up, texts are told.

    In the order in which they are held. Plans that mean different kinds by one name give one of each.
    """
    groups: dict[tuple[str, EntitlementKind], list[Held]] = {}
    for each in held:
        groups.setdefault((each.entitlement.feature, each.entitlement.kind), []).append(each)
    return tuple(_together(feature, kind, parts) for (feature, kind), parts in groups.items())


def _together(feature: str, kind: EntitlementKind, parts: Sequence[Held]) -> Standing:
    subscriptions = tuple(dict.fromkeys(part.subscription_id for part in parts))
    values = [part.entitlement.value for part in parts]
    match kind:
        case EntitlementKind.SWITCH:
            return Standing(feature, kind, any(values), subscriptions)
        case EntitlementKind.TEXT:
            return Standing(feature, kind, True, subscriptions, tuple(dict.fromkeys(str(value) for value in values)))
        case EntitlementKind.LIMIT:
            return _limit(feature, parts, subscriptions)


def _limit(feature: str, parts: Sequence[Held], subscriptions: tuple[str, ...]) -> Standing:
    limits = [part.entitlement.limit for part in parts]
    unlimited = None in limits
    limit = None if unlimited else sum((each for each in limits if each is not None), Decimal(0))
    measured = [part for part in parts if part.used is not None]
    used = sum((part.used for part in measured if part.used is not None), Decimal(0)) if measured else None
    # One plan that lets it pass is enough: a customer who has paid for a soft limit is not stopped by another plan.
    hard = not unlimited and all(part.entitlement.hard for part in parts)
    return Standing(
        feature,
        EntitlementKind.LIMIT,
        allowed=limit is None or not hard or (limit > 0 if used is None else used < limit),
        subscriptions=subscriptions,
        limit=limit,
        used=used,
        remaining=None if limit is None or used is None else max(limit - used, Decimal(0)),
        over=limit is not None and used is not None and used > limit,
        hard=hard,
        resets_at=min((part.period_end for part in measured), default=None),
    )


# --- as people write them --------------------------------------------------------------------------------------------


def _read(part: object, where: str) -> Entitlement:
    if not isinstance(part, Mapping):
        raise InvalidInput("must be an object", field=where)
    feature, kind = part.get("feature"), _kind(part.get("kind"), f"{where}.kind")
    if not isinstance(feature, str) or not _CODE.fullmatch(feature):
        raise InvalidInput("letters, digits, -, _ and ., at most 64", field=f"{where}.feature")
    known = {"feature", "kind"} | _FIELDS[kind]
    for name in part:
        if name not in known:
            raise InvalidInput(f"a {kind} has no such field", field=f"{where}.{name}")
    if kind is EntitlementKind.LIMIT:
        return _read_limit(part, feature, where)
    return Entitlement(feature, kind, _value(part, kind, f"{where}.value"))


def _kind(value: object, where: str) -> EntitlementKind:
    found = next((kind for kind in EntitlementKind if kind == value), None)
    if found is None:
        raise InvalidInput(f"is one of {', '.join(EntitlementKind)}", field=where)
    return found


def _value(part: Mapping[str, Any], kind: EntitlementKind, where: str) -> bool | str:
    if kind is EntitlementKind.SWITCH:
        value = part.get("value", True)
        if not isinstance(value, bool):
            raise InvalidInput("is true or false", field=where)
        return value
    text = part.get("value")
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TEXT or not text.isprintable():
        raise InvalidInput(f"one line of at most {_LONGEST_TEXT} characters", field=where)
    return text


def _read_limit(part: Mapping[str, Any], feature: str, where: str) -> Entitlement:
    if "limit" not in part:
        raise InvalidInput("is missing; null is unlimited", field=f"{where}.limit")
    limit, meter, hard = part["limit"], part.get("meter"), part.get("hard", True)
    if meter is not None and (not isinstance(meter, str) or not _CODE.fullmatch(meter)):
        raise InvalidInput("is no code of a meter", field=f"{where}.meter")
    if not isinstance(hard, bool):
        raise InvalidInput("is true or false", field=f"{where}.hard")
    alerts = _alerts(part.get("alerts", []), f"{where}.alerts")
    if alerts and (meter is None or limit is None):
        raise InvalidInput("needs a limit and a meter", field=f"{where}.alerts")
    amount = None if limit is None else _amount(limit, f"{where}.limit")
    return Entitlement(feature, EntitlementKind.LIMIT, limit=amount, meter=meter, hard=hard, alerts=alerts)


def _amount(value: object, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str) or not _AMOUNT.fullmatch(str(value)):
        raise InvalidInput("is a whole number, a decimal as text ('1.5'), or null for unlimited", field=where)
    return Decimal(value)


def _alerts(value: object, where: str) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or not all(type(share) is int for share in value):
        raise InvalidInput("is a list of whole per cents, such as [80, 100]", field=where)
    if any(not 1 <= share <= _HIGHEST_SHARE for share in value):
        raise InvalidInput(f"each is 1 to {_HIGHEST_SHARE} per cent", field=where)
    if any(later <= earlier for earlier, later in pairwise(value)):
        raise InvalidInput("must rise", field=where)
    return tuple(value)
