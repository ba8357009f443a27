"""The dashboard in a real browser, without a line of script: sign in, find what is stuck, retry it, reset it."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from api.app import create_app
from perennial.engine.context import Engine
from perennial.roles import NamedKey
from perennial.stack.ports import free_port
from tests.support.listening import listening
from tests.support.stage import Stage
from tests.web.chromium import chromium, needed
from tests.web.deskwork import ANNA
from tests.web.test_paying import owing

pytestmark = needed


@pytest.fixture(scope="module")
async def address(engine: Engine) -> AsyncIterator[str]:
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    more = {"support_keys": (NamedKey("anna", ANNA),), "public_url": here}
    app = create_app(engine.settings.model_copy(update=more))
    async with listening(app, port):
        yield here


async def test_what_is_stuck_is_found_and_mended(address: str, stage: Stage) -> None:
    """Whatever the policy of the pages forbids, and whatever the console complains of, fails the test."""
    _, sub, _ = await owing(stage)
    charged = await stage.captures(sub)
    await stage.handle(sub).terminate("in a test")
    complaints: list[str] = []
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
        page = await context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        await page.goto(f"{address}/dashboard")
        await page.get_by_label("API key").fill(ANNA)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("What needs somebody")
        await page.get_by_role("link", name=sub).first.click()
        await expect(page.get_by_role("alert")).to_contain_text("No workflow runs for it")
        await page.get_by_role("button", name="Retry now").click()
        assert await page.get_by_label("Why").evaluate("field => field.validity.valueMissing")
        await page.get_by_label("Why").fill("ticket 4711")
        await page.get_by_role("button", name="Retry now").click()
        await expect(page.get_by_role("status")).to_contain_text("its workflow was missing and is started again")
        await expect(page.get_by_role("alert")).to_have_count(0)
        await page.get_by_role("link", name="Reset to a step").click()
        await page.get_by_role("radio").nth(1).check()
        await page.get_by_role("button", name="Show what would happen").click()
        await expect(page.get_by_role("main")).to_contain_text("What it finds")
        await page.get_by_label("Why").fill("ticket 4712")
        await page.get_by_role("button", name="Reset it").click()
        await expect(page.get_by_role("status")).to_contain_text("Reset: to ")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert complaints == []
    assert await stage.captures(sub) == charged
    await stage.once_each(sub)
