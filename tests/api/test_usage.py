"""Meters, usage events and entitlements over HTTP."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy

from perennial.engine.context import Engine
from tests.api.asking import Api, problem

NOW = datetime.now(UTC)
GRADUATED = {
    "type": "graduated",
    "tiers": [{"up_to": 100, "unit_price": "0"}, {"up_to": None, "unit_price": "0.01"}],
}


@pytest.fixture
async def meter(api: Api) -> str:
    """Sums `gb` of events that are called like itself."""
    code = f"gb_{uuid4().hex[:8]}"
    body = {"code": code, "name": "Traffic", "event": code, "aggregation": "sum", "property": "gb"}
    assert (await api.post("/v1/meters", body)).status_code == 201
    return code


async def plan(api: Api, meter: str, **more: Any) -> str:
    code = f"traffic-{uuid4().hex[:8]}"
    body = {
        "code": code,
        "name": "Traffic",
        "interval": {"unit": "month"},
        "prices": {"USD": {"type": "flat", "amount": "10.00"}},
        "charges": [{"code": "traffic", "name": "Traffic", "meter": meter, "prices": {"USD": GRADUATED}}],
        "entitlements": [
            {"feature": "traffic", "kind": "limit", "limit": 500, "meter": meter, "alerts": [80, 100]},
            {"feature": "sso", "kind": "switch"},
            {"feature": "support", "kind": "text", "value": "by mail"},
        ],
    } | more
    answer = await api.post("/v1/plans", body)
    assert answer.status_code == 201, answer.text
    return code


@pytest.fixture
async def subscription(api: Api, customer: dict[str, Any], meter: str) -> dict[str, Any]:
    """On a plan with this test's meter."""
    return await api.subscribe(customer["id"], await plan(api, meter))


def event(customer: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    new = {"id": uuid4().hex, "customer_id": customer["id"], "name": name, "properties": {"gb": "1.5"}}
    return new | {"at": datetime.now(UTC).isoformat(timespec="microseconds")} | more


async def counted(api: Api, subscription: dict[str, Any]) -> str:
    [charge] = (await api.get(f"/v1/subscriptions/{subscription['id']}/usage")).json()["charges"]
    quantity: str = charge["quantity"]
    return quantity


# --- meters ----------------------------------------------------------------------------------------------------------


async def test_a_meter_is_made_once_and_never_changed(api: Api) -> None:
    code = f"calls-{uuid4().hex[:8]}"
    body = {
        "code": code,
        "name": "Calls",
        "event": "call",
        "aggregation": "count",
        "filters": [{"property": "status", "comparison": "ne", "values": ["500"]}],
    }
    made = await api.post("/v1/meters", body, key=uuid4().hex)
    assert made.status_code == 201
    assert made.json() | body == made.json()
    assert (await api.post("/v1/meters", body)).json() == made.json()
    problem(await api.post("/v1/meters", body | {"name": "Other"}), 409, "conflict")
    assert (await api.get(f"/v1/meters/{code}")).json() == made.json()
    assert code in [each["code"] for each in (await api.get("/v1/meters", limit=100)).json()["data"]]
    assert (await api.post(f"/v1/meters/{code}/archive")).json()["archived_at"]
    problem(await api.get("/v1/meters/none"), 404)
    refused = await api.post(
        "/v1/plans",
        {
            "code": "x",
            "name": "X",
            "interval": {"unit": "month"},
            "prices": {"USD": {"type": "flat", "amount": "1"}},
            "charges": [{"code": "c", "name": "C", "meter": code, "prices": {"USD": GRADUATED}}],
        },
    )
    problem(refused, 422, field="charges[0].meter")


WRONG_METERS = [
    ("a sum of nothing", {"aggregation": "sum"}, "property"),
    ("a count of something", {"property": "gb"}, "property"),
    ("an aggregation that is none", {"aggregation": "median"}, "aggregation"),
    ("no code", {"code": ""}, "code"),
    ("an event with blanks", {"event": "a b"}, "event"),
    ("a filter without values", {"filters": [{"property": "a", "comparison": "eq"}]}, "filters[0].values"),
    (
        "a comparison with a word",
        {"filters": [{"property": "a", "comparison": "gt", "values": ["b"]}]},
        "filters[0].values",
    ),
]


@pytest.mark.parametrize(("fields", "field"), [row[1:] for row in WRONG_METERS], ids=[row[0] for row in WRONG_METERS])
async def test_a_meter_that_makes_no_sense_is_refused(api: Api, fields: dict[str, Any], field: str) -> None:
    body = {"code": f"m{uuid4().hex[:8]}", "name": "M", "event": "call", "aggregation": "count"}
    problem(await api.post("/v1/meters", body | fields), 422, field=field)


# --- events ----------------------------------------------------------------------------------------------------------


async def test_events_count_once_each(
    api: Api, customer: dict[str, Any], meter: str, subscription: dict[str, Any]
) -> None:
    first = event(customer, meter)
    assert (await api.post("/v1/usage-events", first)).json() == {"accepted": 1, "duplicates": 0, "unattributed": 0}
    # Another content under the same id is still the event that we have.
    again = await api.post("/v1/usage-events", first | {"properties": {"gb": "99"}})
    assert (again.status_code, again.json()["duplicates"]) == (201, 1)
    more = [event(customer, meter, properties={"gb": n}) for n in range(1000)]
    sent = await api.post("/v1/usage-events", {"events": [*more[1:], first]}, key=uuid4().hex)
    assert sent.json() == {"accepted": 999, "duplicates": 1, "unattributed": 0}
    assert await counted(api, subscription) == "499501.5"


async def test_what_has_been_used_and_what_it_costs(
    api: Api, customer: dict[str, Any], meter: str, subscription: dict[str, Any]
) -> None:
    await api.post("/v1/usage-events", event(customer, meter, properties={"gb": 300}))
    told = (await api.get(f"/v1/subscriptions/{subscription['id']}/usage")).json()
    [charge] = told["charges"]
    assert (charge["code"], charge["quantity"], charge["amount"]) == ("traffic", "300", 200)
    assert (charge["start"], charge["end"]) == (subscription["period_start"], told["as_of"])
    assert (told["currency"], told["late"]) == ("USD", [])
    problem(await api.get("/v1/subscriptions/sub_none/usage"), 404)


async def test_events_are_listed(api: Api, customer: dict[str, Any], meter: str, subscription: dict[str, Any]) -> None:
    sent = [event(customer, meter, at=(NOW - timedelta(minutes=n)).isoformat()) for n in range(3)]
    await api.post("/v1/usage-events", {"events": sent})
    first = (await api.get("/v1/usage-events", subscription_id=subscription["id"], limit=2)).json()
    assert [each["id"] for each in first["data"]] == [each["id"] for each in sent[:2]]
    assert first["data"][0]["properties"] == {"gb": "1.5"}
    rest = await api.get("/v1/usage-events", subscription_id=subscription["id"], limit=2, cursor=first["next_cursor"])
    assert [each["id"] for each in rest.json()["data"]] == [sent[2]["id"]]
    problem(await api.get("/v1/usage-events"), 422, field="subscription_id")


async def test_whose_an_event_is(api: Api, customer: dict[str, Any], meter: str) -> None:
    alone = event(customer, meter)
    assert (await api.post("/v1/usage-events", alone)).json()["unattributed"] == 1
    listed = (await api.get("/v1/usage-events", customer_id=customer["id"])).json()["data"]
    assert [(each["id"], each["subscription_id"]) for each in listed] == [(alone["id"], None)]

    code = await plan(api, meter, allow_multiple=True)
    one, two = [await api.subscribe(customer["id"], code) for _ in range(2)]
    problem(await api.post("/v1/usage-events", event(customer, meter)), 422, field="subscription_id")
    named = event(customer, meter, subscription_id=two["id"])
    assert (await api.post("/v1/usage-events", named)).json()["accepted"] == 1
    assert [await counted(api, each) for each in (one, two)] == ["0", "1.5"]
    stranger = await api.customer()
    foreign = event(stranger, meter, subscription_id=one["id"])
    problem(await api.post("/v1/usage-events", foreign), 422, field="subscription_id")


async def send_raw(api: Api, body: Any) -> httpx.Response:
    """The client would refuse some of it itself."""
    headers = {"Content-Type": "application/json"}
    return await api.ask("POST", "/v1/usage-events", content=json.dumps(body), headers=headers)


def late_by(**by: float) -> str:
    return (datetime.now(UTC) + timedelta(**by)).isoformat()


WRONG = [
    ("a malformed number", {"properties": {"gb": "1,5"}}, "properties.gb"),
    ("no number", {"properties": {}}, "properties.gb"),
    ("not a number", {"properties": {"gb": "NaN"}}, "properties.gb"),
    ("a float", {"properties": {"gb": 1.5}}, "properties.gb"),
    ("a list", {"properties": {"gb": ["1"]}}, "properties.gb"),
    ("half a letter", {"properties": {"gb": "1", "note": "\ud800"}}, "properties.note"),
    ("NUL", {"properties": {"gb": "1", "note": "\0"}}, "properties.note"),
    ("a customer that is none", {"customer_id": "cus_none"}, "customer_id"),
    ("a subscription that is none", {"subscription_id": "sub_none"}, "subscription_id"),
    ("the future", {"at": late_by(hours=2)}, "at"),
    ("a time without a zone", {"at": "2026-01-01T00:00:00"}, "at"),
    ("no time", {"at": None}, "at"),
    ("no id", {"id": ""}, "id"),
    ("an id with a blank", {"id": "a b"}, "id"),
    ("no name", {"name": ""}, "name"),
    ("an unknown field", {"value": 3}, "value"),
]


@pytest.mark.parametrize(("fields", "field"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_an_event_that_cannot_be_right_is_refused_by_its_field(
    api: Api, customer: dict[str, Any], meter: str, subscription: dict[str, Any], fields: dict[str, Any], field: str
) -> None:
    wrong = event(customer, meter) | fields
    problem(await send_raw(api, wrong), 422, field=field)
    batch = {"events": [event(customer, meter), wrong, event(customer, meter)]}
    refused = problem(await send_raw(api, batch), 422, field=f"events[1].{field}")
    assert len(refused["errors"]) == 1
    assert await counted(api, subscription) == "0"


async def test_every_wrong_event_of_a_batch_is_named(api: Api, customer: dict[str, Any], meter: str) -> None:
    events = [event(customer, meter) for _ in range(6)]
    events[1] |= {"customer_id": "cus_none"}
    events[3] |= {"properties": {"gb": "many"}}
    events[5] |= {"at": late_by(days=1)}
    refused = problem(await api.post("/v1/usage-events", {"events": events}), 422, "wrong_usage_events")
    named = [each["field"] for each in refused["errors"]]
    assert named == ["events[1].customer_id", "events[3].properties.gb", "events[5].at"]


async def test_a_sender_whose_clock_runs_ahead_a_little_is_heard(
    api: Api, customer: dict[str, Any], meter: str
) -> None:
    assert (await api.post("/v1/usage-events", event(customer, meter, at=late_by(minutes=3)))).status_code == 201
    problem(await api.post("/v1/usage-events", event(customer, meter, at=late_by(minutes=7))), 422, field="at")


async def test_on_a_test_clock_the_future_begins_where_it_stands(
    api: Api, customer: dict[str, Any], meter: str, clock: str
) -> None:
    made = await api.subscribe(customer["id"], await plan(api, meter), test_clock_id=clock)
    late = problem(
        await api.post("/v1/usage-events", event(customer, meter, at="2026-01-31T10:00:01Z")), 422, field="at"
    )
    assert "2026-01-31T10:00:00" in late["detail"]
    assert (await api.post("/v1/usage-events", event(customer, meter, at="2026-01-31T10:00:00Z"))).status_code == 201
    assert await counted(api, made) == "1.5"


@pytest.mark.parametrize(
    ("body", "field"), [({"events": []}, "events"), ([], "body"), ({"events": {}}, "events"), (7, "body")], ids=repr
)
async def test_what_is_no_event_is_refused(api: Api, body: Any, field: str) -> None:
    problem(await api.post("/v1/usage-events", body), 422, field=field)


async def test_too_much_at_once_is_refused(api: Api, customer: dict[str, Any]) -> None:
    many = {"events": [event(customer, "call") for _ in range(1001)]}
    problem(await api.post("/v1/usage-events", many), 422, field="events")
    big = event(customer, "call", properties={"gb": "x" * 2 * 1024 * 1024})
    problem(await api.post("/v1/usage-events", big), 413, "body_too_large")
    problem(await api.post("/v1/usage-events", event(customer, "c", properties={"a": "x" * 501})), 422)


async def test_the_guide_says_what_works(api: Api) -> None:
    """Its meter, its plan and its event, as they stand there."""
    guide = (Path(__file__).parents[2] / "docs" / "usage.md").read_text()
    bodies = {path: json.loads(body) for path, body in re.findall(r"(/v1/[a-z-]+) -d '(.+?)'\n", guide, re.DOTALL)}
    meter, plan, sent = (bodies[path] for path in ("/v1/meters", "/v1/plans", "/v1/usage-events"))
    assert (await api.post("/v1/meters", meter)).status_code == 201
    assert (await api.post("/v1/plans", plan)).status_code == 201
    customer = await api.customer()
    made = await api.subscribe(customer["id"], plan["code"], currency="EUR")
    at = datetime.now(UTC).isoformat()
    told = await api.post("/v1/usage-events", sent | {"id": uuid4().hex, "customer_id": customer["id"], "at": at})
    assert told.json() == {"accepted": 1, "duplicates": 0, "unattributed": 0}
    assert await counted(api, made) == "1"


# --- entitlements ----------------------------------------------------------------------------------------------------


@contextmanager
def statements(engine: sqlalchemy.Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sqlalchemy.event.remove(engine, "before_cursor_execute", note)


async def test_entitlements_of_all_subscriptions_in_one_statement(
    api: Api, app: Any, customer: dict[str, Any], meter: str, subscription: dict[str, Any]
) -> None:
    soft = {"feature": "traffic", "kind": "limit", "limit": "250.5", "meter": meter}
    other = [soft, {"feature": "support", "kind": "text", "value": "by telephone"}]
    second = await api.subscribe(customer["id"], await plan(api, meter, entitlements=other))
    for held, gb in ((subscription, "600"), (second, "100.25")):
        sent = event(customer, meter, subscription_id=held["id"], properties={"gb": gb})
        assert (await api.post("/v1/usage-events", sent)).status_code == 201

    engine: Engine = app.state.engine
    with statements(engine.db) as seen:
        answer = await api.get(f"/v1/customers/{customer['id']}/entitlements")
    assert len(seen) == 1, seen
    told = {each["feature"]: each for each in answer.json()["data"]}
    traffic = told["traffic"]
    assert (traffic["limit"], traffic["used"], traffic["remaining"]) == ("750.5", "700.25", "50.25")
    assert (traffic["allowed"], traffic["over"], traffic["hard"]) == (True, False, True)
    assert sorted(traffic["subscriptions"]) == sorted([subscription["id"], second["id"]])
    assert (told["sso"]["allowed"], sorted(told["support"]["values"])) == (True, ["by mail", "by telephone"])
    problem(await api.get("/v1/customers/cus_none/entitlements"), 404)
    nobody = await api.customer()
    assert (await api.get(f"/v1/customers/{nobody['id']}/entitlements")).json()["data"] == []


@pytest.mark.parametrize(
    ("hard", "used", "allowed", "over"),
    [(True, "499", True, False), (True, "500", False, False), (True, "501", False, True), (False, "501", True, True)],
)
async def test_a_hard_limit_stops_and_a_soft_one_tells(
    api: Api, customer: dict[str, Any], meter: str, *, hard: bool, used: str, allowed: bool, over: bool
) -> None:
    limit = {"feature": "traffic", "kind": "limit", "limit": 500, "meter": meter, "hard": hard}
    await api.subscribe(customer["id"], await plan(api, meter, entitlements=[limit]))
    # What has happened is never thrown away, whatever the limit says.
    sent = await api.post("/v1/usage-events", event(customer, meter, properties={"gb": used}))
    assert sent.json()["accepted"] == 1
    [told] = (await api.get(f"/v1/customers/{customer['id']}/entitlements")).json()["data"]
    assert (told["allowed"], told["over"], told["used"]) == (allowed, over, used)
