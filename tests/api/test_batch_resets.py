"""Resetting many over HTTP: looked at, let go with a reason, watched, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from perennial.engine.context import Engine
from tests.api.asking import KEY, Api, problem
from tests.support.builds import built, decided_by_another
from tests.support.stage import Stage, eventually

WHY = {"reason": "ticket 4711"}
BATCHES = "/v1/support/batch-resets"


@pytest.fixture
async def api(faulty: Engine) -> AsyncIterator[Api]:
    """Of an engine whose workers the test starts and stops."""
    app = create_app(faulty.settings.model_copy(update={"api_keys": (KEY,)}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://perennial.test", timeout=30) as http,
    ):
        yield Api(http)


async def over(api: Api, batch: str) -> dict[str, Any]:
    async def is_over() -> dict[str, Any] | None:
        now: dict[str, Any] = (await api.get(f"{BATCHES}/{batch}")).json()
        return now if now["status"] not in ("looking", "resetting") else None

    return await eventually(is_over)


def counted(batch: dict[str, Any]) -> dict[str, int]:
    return {name: n for name, n in batch["counts"].items() if n}


async def test_it_is_shown_then_done_and_written_down(faulty: Engine, api: Api) -> None:
    stage = Stage(faulty)
    async with decided_by_another(stage) as (build, subs):
        charged = [await stage.captures(sub) for sub in subs]
        begun = (await api.post(BATCHES, {"build": build}, key="look")).json()
        assert (begun["status"], counted(begun), begun["actor"]) == ("looking", {"pending": 2}, None)
        assert (await api.post(BATCHES, {"build": build}, key="look")).json() == begun
        looked = await over(api, begun["id"])
        assert (looked["status"], counted(looked)) == ("looked", {"would_reset": 2})
        path = f"{BATCHES}/{begun['id']}"
        first = (await api.get(f"{path}/items", limit=1)).json()
        assert [item["subscription"] for item in first["data"]] == subs[:1]
        assert first["data"][0]["to"] == "1 start 2026-01-31"
        rest = (await api.get(f"{path}/items", limit=1, cursor=first["next_cursor"])).json()
        assert ([item["subscription"] for item in rest["data"]], rest["next_cursor"]) == (subs[1:], None)
        assert (await api.get("/v1/support/actions", subject=subs[0])).json()["data"] == []

        assert (await api.post(f"{path}/go", WHY)).json()["status"] == "resetting"
        done = await over(api, begun["id"])
        assert (done["status"], counted(done), done["reason"]) == ("completed", {"reset": 2}, "ticket 4711")
        assert (await api.get(f"{path}/items", outcome="refused")).json()["data"] == []
        for sub in subs:
            [action] = (await api.get("/v1/support/actions", subject=sub)).json()["data"]
            assert (action["action"], action["reason"]) == ("reset", "ticket 4711")
            assert action["outcome"] == f"reset by {begun['id']}: 1 start 2026-01-31"
            await stage.once_each(sub)
        assert [await stage.captures(sub) for sub in subs] == charged
        [of_all] = (await api.get("/v1/support/actions", subject=begun["id"])).json()["data"]
        assert (of_all["action"], of_all["outcome"]) == ("batch_reset", "resetting: 2 of 2 to go")
        listed = (await api.get(BATCHES, status="completed", limit=100)).json()["data"]
        assert begun["id"] in [batch["id"] for batch in listed]
        for again in ("go", "cancel"):
            refused = problem(await api.post(f"{path}/{again}", WHY), 409, "conflict")
            assert refused["detail"].endswith("the batch is completed")


async def test_nothing_else_is_begun_once_it_is_canceled(faulty: Engine, api: Api) -> None:
    """No worker is there: it waits. Canceled, it stays as it is when one comes."""
    stage = Stage(faulty)
    async with decided_by_another(stage) as (build, subs):
        pass
    body = {"build": build, "dry_run": False} | WHY
    begun = (await api.post(BATCHES, body)).json()
    path = f"{BATCHES}/{begun['id']}"
    stopped = (await api.post(f"{path}/cancel", {"reason": "the wrong build"})).json()
    assert (stopped["status"], counted(stopped)) == ("canceled", {"pending": 2})
    async with built(faulty, "late"):
        await stage.handle(begun["id"]).result()
        assert counted((await api.get(path)).json()) == {"pending": 2}
    assert (await api.get("/v1/support/actions", subject=subs[0])).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "build"),
        ({"build": "1", "query": "x"}, "build"),
        ({"build": ""}, "build"),
        ({"query": "Nonsense ==="}, "query"),
        ({"build": "1", "dry_run": False}, "reason"),
        ({"build": "1", "dry_run": False, "reason": " "}, "reason"),
        ({"build": "1", "dry_run": "no"}, "dry_run"),
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any], field: str) -> None:
    problem(await api.post(BATCHES, body), 422, field=field)


async def test_what_there_is_not(api: Api) -> None:
    for path in ("", "/items"):
        problem(await api.get(f"{BATCHES}/brs_none{path}"), 404, "not_found")
    for path in ("/go", "/cancel"):
        problem(await api.post(f"{BATCHES}/brs_none{path}", WHY), 404, "not_found")
