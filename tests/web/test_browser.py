"""The checkout page in a real browser: Chromium over a real port, with what the page may load held to its policy."""

from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from api.app import create_app
from perennial.engine.context import Engine
from perennial.stack.ports import free_port
from tests.api.asking import KEY, Api
from tests.support.listening import listening
from tests.support.stage import Stage
from tests.web.chromium import chromium, needed
from tests.web.test_checkout import charged, subscribing

PHONE = {"width": 390, "height": 844}

pytestmark = needed


@pytest.fixture(scope="module")
async def address(engine: Engine) -> AsyncIterator[str]:
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    app = create_app(engine.settings.model_copy(update={"api_keys": (KEY,), "public_url": here}))
    async with listening(app, port):
        yield here


@pytest.fixture
async def api(address: str) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        yield Api(client)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A window of its own. Whatever its policy forbids, and whatever its console complains of, fails the test."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert complaints == []


async def test_a_subscription_is_bought(page: Page, api: Api, stage: Stage, ada: dict[str, str]) -> None:
    session = await subscribing(api, ada, plan="standard-monthly", currency="EUR")
    await page.goto(session["url"])
    await expect(page.get_by_role("heading", level=1)).to_have_text("Subscribe to Standard")
    await expect(page).to_have_title("Subscribe to Standard · Perennial")
    await page.get_by_role("radio", name="Mastercard ending in 4444").check()
    await page.get_by_role("button", name="Pay €19.00").click()
    await expect(page.get_by_role("heading", level=2)).to_have_text("Thank you")
    await expect(page.get_by_text("€19.00 has been paid.")).to_be_visible()
    assert "key=" not in page.url
    assert await charged(stage, ada["id"]) == 1
    await page.go_back()
    await page.reload()
    await expect(page.get_by_role("heading", level=2)).to_have_text("Thank you")
    assert await charged(stage, ada["id"]) == 1


async def test_three_d_secure_is_passed_with_the_keyboard_alone(
    page: Page, api: Api, stage: Stage, ada: dict[str, str]
) -> None:
    session = await subscribing(api, ada)
    await page.goto(session["url"])
    await page.get_by_role("radio", name="Visa ending in 3184").focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=2)).to_have_text("Please confirm with your bank")
    await page.get_by_role("link", name="Continue to your bank").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Yes, authenticate").press("Enter")
    await expect(page.get_by_role("heading", level=2)).to_have_text("Thank you", timeout=20_000)
    assert await charged(stage, ada["id"]) == 1


async def test_a_declined_card_is_told_and_another_one_pays(
    page: Page, api: Api, stage: Stage, ada: dict[str, str]
) -> None:
    session = await subscribing(api, ada)
    await page.set_viewport_size(PHONE)
    await page.goto(session["url"])
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], "nothing sticks out to the side"
    await page.get_by_role("radio", name="declined: not enough money").check()
    await page.get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_contain_text("There was not enough money on the account.")
    await page.get_by_role("radio", name="Visa ending in 4242").check()
    await page.get_by_role("button", name="Pay $9.00").dblclick()
    await expect(page.get_by_role("heading", level=2)).to_have_text("Thank you", timeout=20_000)
    assert await charged(stage, ada["id"]) == 1
