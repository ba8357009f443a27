"""The parts of a stack of our own really go away and come back."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from api.app import create_app
from perennial.cli.dev_output import FIRST_SUBSCRIPTION
from perennial.cli.migrations import upgrade
from perennial.engine import demo_catalog
from perennial.engine.context import open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.api.asking import KEY, Api, problem
from worker import build_worker


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    with Stack.throw_away(temporal_file=True) as running:
        upgrade(running.database_url)
        yield running


@pytest.fixture(scope="module")
async def own_api(own_stack: Stack) -> AsyncIterator[Api]:
    engine = await open_engine(own_stack.settings(), lazy=False)
    prepare_gateway(engine.gateway)
    await demo_catalog.seed(engine)
    app = create_app(engine.settings.model_copy(update={"api_keys": (KEY,)}))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://perennial.test", timeout=60)
    async with build_worker(engine), app.router.lifespan_context(app), client as http:
        yield Api(http)
    engine.close()


async def _count(api: Api) -> tuple[int, int]:
    customers = (await api.get("/v1/customers", limit=100)).json()["data"]
    subscriptions = (await api.get("/v1/subscriptions", limit=100)).json()["data"]
    return len(customers), len(subscriptions)


# The throw-away PostgreSQL does not wait for its disk, so it is stopped in an orderly way; Temporal is killed.
@pytest.mark.parametrize(("part", "go"), [("postgres", "stop"), ("temporal", "kill")])
async def test_a_part_goes_and_comes_back(own_stack: Stack, own_api: Api, part: str, go: str) -> None:
    subscription = (await own_api.post("/v1/subscriptions", FIRST_SUBSCRIPTION)).json()
    before = await _count(own_api)
    process = getattr(own_stack, part)

    getattr(process, go)()
    away = await own_api.post("/v1/subscriptions", FIRST_SUBSCRIPTION, key=f"while {part} is away")
    problem(away, 503, "engine_unavailable")
    problem(await own_api.post(f"/v1/subscriptions/{subscription['id']}/pause"), 503)
    problem(await own_api.http.get("/readyz"), 503)
    process.start()

    assert await _count(own_api) == before
    again = await own_api.post("/v1/subscriptions", FIRST_SUBSCRIPTION, key=f"while {part} is away")
    assert again.status_code == 201, again.text
    assert again.json()["status"] == "active"
    paused = await own_api.post(f"/v1/subscriptions/{subscription['id']}/pause")
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
