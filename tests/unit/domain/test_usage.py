"""Meters, their filters and their aggregations; events that cannot be kept; entitlements as people write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from perennial.domain.entitlements import Entitlement, EntitlementKind, check_entitlements
from perennial.domain.errors import InvalidInput
from perennial.domain.usage import (
    Aggregation,
    Comparison,
    Event,
    Filter,
    Meter,
    aggregate,
    texts,
    tidy,
    wrong_id,
    wrong_properties,
    wrong_property,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(n: int, **properties: Any) -> Event:
    return Event(f"evt_{n}", "call", START + timedelta(minutes=n), texts(properties))


EVENTS = [
    event(3, value="2.5", region="eu"),
    event(1, value=10, region="us"),
    event(2, value="-1", region="eu"),
    event(4, value="many", region="asia"),
    event(5, region="eu"),
]


@pytest.mark.parametrize(
    ("aggregation", "looks_at", "result"),
    [
        (Aggregation.COUNT, None, "5"),
        (Aggregation.SUM, "value", "11.5"),
        (Aggregation.MAX, "value", "10"),
        (Aggregation.LAST, "value", "2.5"),
        (Aggregation.UNIQUE, "region", "3"),
        (Aggregation.UNIQUE, "value", "4"),
    ],
)
def test_what_becomes_of_events(aggregation: Aggregation, looks_at: str | None, result: str) -> None:
    meter = Meter("m", "M", "call", aggregation, looks_at)
    assert aggregate(meter, EVENTS) == Decimal(result)
    assert aggregate(meter, []) == 0
    assert aggregate(Meter("m", "M", "other", aggregation, looks_at), EVENTS) == 0


@pytest.mark.parametrize(
    ("condition", "passing"),
    [
        (Filter("region", Comparison.EQ, ("eu",)), [2, 3, 5]),
        (Filter("region", Comparison.NE, ("eu",)), [1, 4]),
        (Filter("region", Comparison.IN, ("us", "asia")), [1, 4]),
        (Filter("value", Comparison.EXISTS), [1, 2, 3, 4]),
        (Filter("value", Comparison.NE, ("10",)), [2, 3, 4, 5]),
        (Filter("value", Comparison.GT, ("2.5",)), [1]),
        (Filter("value", Comparison.GTE, ("2.50",)), [1, 3]),
        (Filter("value", Comparison.LT, ("0",)), [2]),
        (Filter("value", Comparison.LTE, ("2.5",)), [2, 3]),
    ],
    ids=lambda value: f"{value.property}-{value.comparison}" if isinstance(value, Filter) else "",
)
def test_filters(condition: Filter, passing: list[int]) -> None:
    assert sorted(int(each.id[4:]) for each in EVENTS if condition.passes(each.properties)) == passing


def test_of_two_events_at_one_instant_the_greater_id_is_the_last() -> None:
    meter = Meter("m", "M", "call", Aggregation.LAST, "value")
    same = [Event(name, "call", START, {"value": value}) for name, value in (("b", "2"), ("a", "1"), ("B", "3"))]
    assert aggregate(meter, same) == 2


WRONG_METERS = [
    ("a code in capitals", {"code": "Calls"}, "code"),
    ("no event", {"event": ""}, "event"),
    ("a count of something", {"property": "value"}, "property"),
    ("a sum of nothing", {"aggregation": Aggregation.SUM}, "property"),
    ("a property that is none", {"aggregation": Aggregation.SUM, "property": "a b"}, "property"),
]


@pytest.mark.parametrize(("fields", "field"), [row[1:] for row in WRONG_METERS], ids=[row[0] for row in WRONG_METERS])
def test_a_meter_that_makes_no_sense_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Meter(**{"code": "calls", "name": "Calls", "event": "call", "aggregation": Aggregation.COUNT} | fields)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("comparison", "values"),
    [
        (Comparison.EQ, ()),
        (Comparison.EQ, ("a", "b")),
        (Comparison.IN, ()),
        (Comparison.EXISTS, ("a",)),
        (Comparison.GT, ("much",)),
        (Comparison.LT, ("NaN",)),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(comparison: Comparison, values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        Filter("region", comparison, values)
    assert refused.value.field == "values"


@pytest.mark.parametrize("value", ["1,5", "NaN", "Infinity", "1e3", "", " 1", "1.", ".5", "0x10", "١٢", "9" * 19, None])
def test_a_malformed_number_is_named(value: str | None) -> None:
    meter = Meter("gb", "GB", "call", Aggregation.SUM, "gb", (Filter("region", Comparison.EQ, ("eu",)),))
    properties = {"region": "eu"} | ({} if value is None else {"gb": value})
    assert wrong_property(meter, Event("e", "call", START, properties)) == "gb"
    # Of an event that the meter does not look at nothing is asked.
    assert wrong_property(meter, Event("e", "call", START, properties | {"region": "us"})) is None
    assert wrong_property(meter, Event("e", "other", START, properties)) is None
    assert wrong_property(meter, Event("e", "call", START, properties | {"gb": "-0.000000000001"})) is None


@pytest.mark.parametrize("id", ["", "a b", "é", "a\0", "x" * 129])
def test_an_id_of_an_event_is_plain(id: str) -> None:
    assert wrong_id(id)
    assert wrong_id("2026/01-Ω".replace("Ω", "3f0c9a52")) is None


@pytest.mark.parametrize(
    "properties",
    [
        {"value": 1.5},
        {"value": None},
        {"value": ["1"]},
        {"value": {"a": 1}},
        {"value": "a\0b"},
        {"value": "a\nb"},
        {"value": "\ud800"},
        {"value": "x" * 501},
        {"value": 10**18},
        {"a b": "1"},
        {"": "1"},
        {f"p{n}": "1" for n in range(51)},
    ],
    ids=repr,
)
def test_a_property_that_cannot_be_kept_is_named(properties: dict[str, Any]) -> None:
    found = wrong_properties(properties)
    assert found is not None
    assert found[0] in ("value", "")


def test_properties_are_kept_as_texts() -> None:
    written = {"a": "1.50", "b": 3, "c": True, "d": False, "e": "", "f": -7}
    assert wrong_properties(written) is None
    assert texts(written) == {"a": "1.50", "b": "3", "c": "true", "d": "false", "e": "", "f": "-7"}


LIMIT = {"feature": "calls", "kind": "limit", "limit": 100, "meter": "calls"}


def test_entitlements_are_read() -> None:
    read = check_entitlements(
        [
            LIMIT | {"limit": "1.5", "hard": False, "alerts": [80, 100]},
            {"feature": "sso", "kind": "switch"},
            {"feature": "beta", "kind": "switch", "value": False},
            {"feature": "support", "kind": "text", "value": "by mail"},
            {"feature": "projects", "kind": "limit", "limit": None},
        ]
    )
    assert read == (
        Entitlement("calls", EntitlementKind.LIMIT, limit=Decimal("1.5"), meter="calls", hard=False, alerts=(80, 100)),
        Entitlement("sso", EntitlementKind.SWITCH),
        Entitlement("beta", EntitlementKind.SWITCH, value=False),
        Entitlement("support", EntitlementKind.TEXT, value="by mail"),
        Entitlement("projects", EntitlementKind.LIMIT),
    )


WRONG_ENTITLEMENTS = [
    ("nothing", {}, "kind"),
    ("no object", "sso", None),
    ("an unknown kind", {"feature": "sso", "kind": "flag"}, "kind"),
    ("a kind that is no text", {"feature": "sso", "kind": ["switch"]}, "kind"),
    ("no feature", {"kind": "switch"}, "feature"),
    ("a feature with a colon", {"feature": "a:b", "kind": "switch"}, "feature"),
    ("a switch with a limit", {"feature": "sso", "kind": "switch", "limit": 3}, "limit"),
    ("a switch that is no switch", {"feature": "sso", "kind": "switch", "value": "yes"}, "value"),
    ("a text without words", {"feature": "support", "kind": "text"}, "value"),
    ("a text of two lines", {"feature": "support", "kind": "text", "value": "a\nb"}, "value"),
    ("a limit without one", {"feature": "calls", "kind": "limit"}, "limit"),
    ("a limit below nought", LIMIT | {"limit": -1}, "limit"),
    ("a limit as a float", LIMIT | {"limit": 1.5}, "limit"),
    ("a limit that is true", LIMIT | {"limit": True}, "limit"),
    ("a meter that is none", LIMIT | {"meter": 3}, "meter"),
    ("hardness in words", LIMIT | {"hard": "very"}, "hard"),
    ("alerts that fall", LIMIT | {"alerts": [100, 80]}, "alerts"),
    ("the same alert twice", LIMIT | {"alerts": [80, 80]}, "alerts"),
    ("an alert at nothing", LIMIT | {"alerts": [0]}, "alerts"),
    ("alerts as texts", LIMIT | {"alerts": ["80"]}, "alerts"),
    ("alerts that are none", LIMIT | {"alerts": 80}, "alerts"),
    ("alerts of what nobody counts", {"feature": "a", "kind": "limit", "limit": 1, "alerts": [80]}, "alerts"),
    ("alerts without a limit", LIMIT | {"limit": None, "alerts": [80]}, "alerts"),
]


@pytest.mark.parametrize(
    ("part", "field"), [row[1:] for row in WRONG_ENTITLEMENTS], ids=[row[0] for row in WRONG_ENTITLEMENTS]
)
def test_an_entitlement_that_makes_no_sense_is_refused_by_its_field(part: Any, field: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_entitlements([{"feature": "first", "kind": "switch"}, part])
    assert refused.value.field == (f"entitlements[1].{field}" if field else "entitlements[1]")


def test_a_feature_stands_in_a_plan_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_entitlements([LIMIT, LIMIT])
    assert refused.value.field == "entitlements[1].feature"


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("2.0", "2"),
        ("1500", "1500"),
        ("0.00", "0"),
        ("1.50", "1.5"),
        ("9" * 30 + ".10", "9" * 30 + ".1"),
        ("-10.0", "-10"),
    ],
)
def test_a_quantity_is_written_without_zeros_at_its_end(number: str, plain: str) -> None:
    assert f"{tidy(Decimal(number)):f}" == plain
