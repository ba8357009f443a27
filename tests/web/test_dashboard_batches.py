"""Resetting many at the dashboard: looked at, let go with a reason, watched."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from perennial.engine.context import Engine
from perennial.roles import NamedKey
from tests.support.builds import decided_by_another
from tests.support.stage import Stage, eventually
from tests.web.deskwork import ANNA, HOME, Desk
from tests.web.shopping import HERE


@pytest.fixture
async def desk(faulty: Engine) -> AsyncIterator[Desk]:
    more = {"support_keys": (NamedKey("anna", ANNA),), "public_url": HERE}
    app = create_app(faulty.settings.model_copy(update=more))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE, timeout=30) as browser,
    ):
        desk = Desk(browser)
        await desk.sign_in()
        yield desk


async def test_what_a_build_decided_is_looked_at_and_let_go(faulty: Engine, desk: Desk) -> None:
    stage = Stage(faulty)
    async with decided_by_another(stage) as (build, subs):
        await desk.open("/batch-resets")
        await desk.send("/batch-resets", build=build, query="")
        batch = str(desk.page.answer.url).removeprefix(HOME)

        async def shows(status: str) -> bool:
            page = await desk.open(batch)
            assert ('http-equiv="refresh"' in page.text) == any(
                each in page.text for each in ("Looking:", "Resetting:")
            )
            return f'"state {status}"' in page.text

        await eventually(lambda: shows("looked"))
        assert "Let 2 of them be reset?" in desk.said()
        assert {f"{HOME}/subscriptions/{sub}" for sub in subs} <= set(desk.page.links)
        for reason in ("", " "):
            page = await desk.send(f"{batch}/go", reason=reason)
            assert page.status == 422
        await desk.open(batch)
        await desk.send(f"{batch}/go", reason="ticket 4711")
        await eventually(lambda: shows("completed"))
        assert "Let go by anna: ticket 4711" in desk.said()
        assert "1 start 2026-01-31" in desk.said()
        await desk.open(f"{batch}?outcome=would_reset")
        assert not {f"{HOME}/subscriptions/{sub}" for sub in subs} & set(desk.page.links)
        await desk.open("/actions")
        assert f"{HOME}{batch}" in desk.page.links
        for sub in subs:
            await stage.once_each(sub)


async def test_what_waits_for_a_worker_is_watched_and_canceled(faulty: Engine, desk: Desk) -> None:
    async with decided_by_another(Stage(faulty)) as (build, _):
        pass
    await desk.open("/batch-resets")
    await desk.send("/batch-resets", build=build)
    batch = str(desk.page.answer.url).removeprefix(HOME)
    assert "Looking: 0 of 2" in desk.said()
    page = await desk.open(f"{batch}?stop=true")
    assert 'http-equiv="refresh"' not in page.text
    await desk.send(f"{batch}/cancel", reason="not that one")
    assert '"state canceled"' in desk.page.text
    page = await desk.send(f"{batch}/cancel", reason="again", token=page.fields["token"])
    assert page.status == 409
    await desk.open()
    await desk.send("/search", wanted=batch.rpartition("/")[2])
    assert str(desk.page.answer.url) == HOME + batch


async def test_what_cannot_be_looked_for_is_said(desk: Desk) -> None:
    for fields, words in (({"query": "Nonsense ==="}, "does not understand"), ({"build": " "}, "either a build")):
        await desk.open("/batch-resets")
        page = await desk.send("/batch-resets", **fields)
        assert page.status == 422
        assert words in desk.said()
    page = await desk.open("/batch-resets/brs_none")
    assert page.status == 404
