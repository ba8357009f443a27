"""Temporal or PostgreSQL away: 503 with Retry-After, soon, and nothing half-written."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session
from temporalio.common import SearchAttributeKey

from api.app import create_app
from perennial.config import Settings
from perennial.db.models import Base, Customer, Gift, IdempotencyKey, PaymentMethod, Subscription, WebhookEvent
from perennial.engine import runs, subscriptions
from perennial.engine.context import Engine
from perennial.stack.ports import free_port
from perennial.temporal import search_attributes
from tests.api.asking import KEY, Api, problem

SOON_SECONDS = 10
TABLES: tuple[type[Base], ...] = (Customer, PaymentMethod, Subscription, Gift, WebhookEvent, IdempotencyKey)


@asynccontextmanager
async def _api(settings: Settings, **change: Any) -> AsyncIterator[Api]:
    app = create_app(settings.model_copy(update={"api_keys": (KEY,)} | change))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://perennial.test", timeout=60) as http:
            yield Api(http)


@pytest.fixture
async def without_temporal(engine: Engine) -> AsyncIterator[Api]:
    async with _api(engine.settings, temporal_address=f"127.0.0.1:{free_port()}") as api:
        yield api


@pytest.fixture
async def without_postgres(engine: Engine) -> AsyncIterator[Api]:
    url = f"postgresql+psycopg2://nobody@127.0.0.1:{free_port()}/nothing"
    async with _api(engine.settings, database_url=url) as api:
        yield api


@pytest.fixture
async def without_workers(engine: Engine) -> AsyncIterator[Api]:
    async with _api(engine.settings, task_queue="nobody-listens") as api:
        yield api


async def _counts(engine: Engine) -> list[int]:
    def count(session: Session) -> list[int]:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]

    return await engine.read(count)


async def _is_away(api: Api, path: str, body: Any = None, code: str = "engine_unavailable", **how: Any) -> None:
    started = time.monotonic()
    answer = await (api.get(path) if body is None else api.post(path, body, **how))
    took = time.monotonic() - started
    found = problem(answer, 503, code)
    assert int(answer.headers["Retry-After"]) > 0
    assert took < SOON_SECONDS
    assert "127.0.0.1" not in str(found)


@pytest.fixture
async def subscription(api: Api, customer: dict[str, Any]) -> dict[str, Any]:
    return await api.subscribe(customer["id"], plan="team-monthly")


def _newcomer() -> dict[str, Any]:
    person = {"name": "Ada", "email": f"{uuid4().hex}@example.com"}
    return {"customer": person, "payment_method": "pm_card_visa", "plan": "basic-monthly"}


async def test_without_temporal_nothing_begins(
    without_temporal: Api, api: Api, engine: Engine, subscription: dict[str, Any]
) -> None:
    customer, id_ = subscription["customer_id"], subscription["id"]
    gift = {"recipient_name": "C", "recipient_email": "c@example.com", "periods": 1}
    before = await _counts(engine)

    await _is_away(without_temporal, "/v1/subscriptions", {"customer_id": customer, "plan": "basic-monthly"})
    await _is_away(without_temporal, "/v1/subscriptions", _newcomer())
    await _is_away(without_temporal, "/v1/subscriptions", _newcomer(), key=str(uuid4()))
    await _is_away(without_temporal, "/v1/gifts", {"giver_id": customer, "plan": "basic-monthly"} | gift)
    await _is_away(without_temporal, f"/v1/subscriptions/{id_}/pause", {})
    assert await _counts(engine) == before

    # What only reads goes on.
    assert (await without_temporal.get(f"/v1/subscriptions/{id_}")).json() == subscription
    preview = await without_temporal.post(f"/v1/subscriptions/{id_}/preview-change", {"command": "cancel"})
    assert preview.status_code == 200


async def test_a_key_is_free_again_after_an_outage(without_temporal: Api, api: Api) -> None:
    body, key = _newcomer(), str(uuid4())
    await _is_away(without_temporal, "/v1/subscriptions", body, key=key)

    answer = await api.post("/v1/subscriptions", body, key=key)
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


async def test_without_postgres(without_postgres: Api) -> None:
    await _is_away(without_postgres, "/v1/customers")
    await _is_away(without_postgres, "/v1/subscriptions/sub_any")
    await _is_away(without_postgres, "/v1/customers", {"name": "Ada", "email": "ada@example.com"})
    await _is_away(without_postgres, "/v1/customers", {"name": "Ada", "email": "ada@example.com"}, key="k")
    # The simulator, which is asked for the card before anything is written, keeps its books in PostgreSQL too.
    await _is_away(without_postgres, "/v1/subscriptions", _newcomer(), code="gateway_outcome_unknown")
    await _is_away(without_postgres, "/v1/subscriptions/sub_any/pause", {})
    await _is_away(without_postgres, "/v1/test-clocks/clk_any/advance", {"by": "P1D"})
    problem(await without_postgres.http.post("/simulator/authenticate/ch_any?outcome=pass"), 503)


async def test_without_a_worker_a_command_is_not_accepted(
    without_workers: Api, customer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow exists and nobody runs it: the beginning is durable, a command must be sent again."""
    monkeypatch.setattr(subscriptions, "OUTCOME_TIMEOUT_SECONDS", 0.3)
    subscription = await without_workers.subscribe(customer["id"], plan="team-monthly")
    assert subscription["status"] == "incomplete"

    await _is_away(without_workers, f"/v1/subscriptions/{subscription['id']}/pause", {})


async def test_readiness_says_what_is_missing(api: Api, without_temporal: Api, without_postgres: Api) -> None:
    ready = await api.http.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert {check["name"]: check["ok"] for check in ready.json()["checks"]} == {
        "postgresql": True,
        "migrations": True,
        "temporal": True,
    }
    for broken, missing in ((without_temporal, {"temporal"}), (without_postgres, {"postgresql", "migrations"})):
        assert (await broken.http.get("/healthz")).json() == {"status": "ok"}
        answer = await broken.http.get("/readyz")
        found = problem(answer, 503, "engine_unavailable")
        assert answer.headers["Retry-After"]
        assert {check["name"] for check in found["checks"] if not check["ok"]} == missing


async def test_a_database_without_migrations_is_not_ready(engine: Engine) -> None:
    url = make_url(engine.settings.database_url or "").set(database="template1")
    async with _api(engine.settings, database_url=url.render_as_string(hide_password=False)) as api:
        checks = problem(await api.http.get("/readyz"), 503)["checks"]
    assert [(check["name"], check["ok"]) for check in checks] == [
        ("postgresql", True),
        ("migrations", False),
        ("temporal", True),
    ]


async def test_a_namespace_that_was_not_set_up_is_not_ready(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of it is refused with Temporal's own words, and nothing is written."""
    unknown = SearchAttributeKey.for_keyword("NotSetUp")
    monkeypatch.setitem(search_attributes.TYPES, unknown.name, "Keyword")
    monkeypatch.setattr(search_attributes, "PLAN_CODE", unknown)
    async with _api(engine.settings) as api:
        checks = problem(await api.http.get("/readyz"), 503)["checks"]
        [temporal] = [check for check in checks if check["name"] == "temporal"]
        assert temporal["detail"].startswith("Temporal's namespace 'default' lacks the search attributes NotSetUp:")
        customer = await api.customer()
        answer = await api.post("/v1/subscriptions", {"customer_id": customer["id"], "plan": "basic-monthly"})
        assert "no mapping defined for search attribute NotSetUp" in problem(answer, 503)["detail"]
        assert (await api.get("/v1/subscriptions", customer_id=customer["id"])).json()["data"] == []
    async with _api(engine.settings, temporal_namespace="nowhere") as api:
        checks = problem(await api.http.get("/readyz"), 503)["checks"]
        assert "does not tell of its namespace 'nowhere'" in checks[-1]["detail"]


async def test_a_command_that_takes_long_is_202(api: Api, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await api.customer("pm_card_slow_1500")
    subscription = await api.subscribe(customer["id"])
    monkeypatch.setattr(runs, "ANSWER_TIMEOUT_SECONDS", 0.2)
    path, key = f"/v1/subscriptions/{subscription['id']}/change-plan", str(uuid4())
    answer = await api.post(path, {"plan": "standard-monthly"}, key=key)

    assert answer.status_code == 202, answer.text
    assert answer.json()["id"] == subscription["id"]
    assert (await api.post(path, {"plan": "standard-monthly"}, key=key)).json() == answer.json()
