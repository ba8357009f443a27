"""Findings as the API tells them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from perennial.db.models import Finding
from perennial.db.repositories import findings
from perennial.db.repositories.findings import Found
from perennial.engine.context import Engine
from tests.api.asking import Api, problem

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def source(engine: Engine) -> AsyncIterator[str]:
    """Three findings, an hour between one and the next; the second one is resolved."""
    name = f"gateway:{uuid4().hex[:8]}"

    def write(session: Session) -> None:
        for n in range(3):
            findings.record(session, name, [Found("unknown_here", f"charge:{n}", f"number {n}")], NOON + n * HOUR)
        findings.resolve(session, name, NOON + HOUR, NOON + 5 * HOUR)
        findings.record(session, name, [Found("unknown_here", "charge:0", "number 0")], NOON)

    await engine.write(write)
    yield name
    await engine.write(lambda session: session.execute(delete(Finding).where(Finding.source == name)))


HOUR = timedelta(hours=1)


async def test_findings_come_newest_first_by_status_a_page_at_a_time(api: Api, source: str) -> None:
    page = (await api.get("/v1/findings", source=source, limit=2)).json()
    assert [one["detail"] for one in page["data"]] == ["number 2", "number 1"]
    rest = (await api.get("/v1/findings", source=source, limit=2, cursor=page["next_cursor"])).json()
    assert [(one["detail"], one["status"]) for one in rest["data"]] == [("number 0", "open")]
    assert rest["next_cursor"] is None


async def test_the_open_ones_the_resolved_ones_and_one(api: Api, engine: Engine, source: str) -> None:
    await engine.write(lambda session: findings.resolve(session, source, NOON + HOUR, NOON + 5 * HOUR))
    resolved = (await api.get("/v1/findings", source=source, status="resolved")).json()["data"]
    assert [one["detail"] for one in resolved] == ["number 0"]
    assert resolved[0]["resolved_at"] == "2026-05-01T17:00:00Z"
    told = (await api.get("/v1/findings", source=source, status="open", kind="unknown_here")).json()["data"]
    assert [one["resolved_at"] for one in told] == [None, None]
    assert (await api.get(f"/v1/findings/{told[0]['id']}")).json() == told[0]
    assert (await api.get("/v1/findings", source=source, kind="spans")).json()["data"] == []


async def test_what_is_none_is_refused(api: Api) -> None:
    problem(await api.get("/v1/findings", status="gone"), 422, field="status")
    problem(await api.get("/v1/findings", source="a b"), 422, field="source")
    problem(await api.get("/v1/findings/fnd_none"), 404, "not_found")
