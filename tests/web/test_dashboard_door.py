"""The door of the dashboard: who gets in, for how long, and who is kept out."""

from datetime import timedelta

import httpx
import pytest

from api.app import create_app
from api.security import caller_of
from api.web.dashboard.session import LIFETIME, begin, opened
from perennial.engine.context import Engine
from perennial.roles import NamedKey
from tests.web.deskwork import ANNA, CARL, HOME, Desk, cookie_of


async def test_who_signs_in_gets_a_strict_cookie_and_comes_to_where_they_wanted(stranger: Desk) -> None:
    page = await stranger.open("/actions")
    assert (page.status, str(page.answer.url)) == (200, f"{HOME}/sign-in?next=/actions")
    first = await stranger.browser.post(f"{HOME}/sign-in", data=page.fields | {"key": ANNA})
    assert first.headers["location"] == "/dashboard/actions"
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/dashboard" in cookie
    assert ANNA not in cookie
    page = await stranger.open("/actions")
    assert "What support did" in page.text
    assert page.answer.headers["cache-control"] == "no-store"
    assert "script-src" not in page.answer.headers["content-security-policy"]
    assert "default-src 'none'" in page.answer.headers["content-security-policy"]
    copy = cookie_of(stranger.browser)
    await stranger.send("/sign-out")
    assert cookie_of(stranger.browser) is None
    assert "Sign in" in (await stranger.open()).text
    assert "Sign in" in (await stranger.open(Cookie=f"perennial_dashboard={copy}")).text
    await stranger.sign_in()
    assert "What needs somebody" in stranger.page.text


@pytest.mark.parametrize("place", ["//evil.test", "https://evil.test", "/../../v1", "/sign-in?x", "\\evil"])
async def test_nobody_is_led_elsewhere_after_signing_in(stranger: Desk, place: str) -> None:
    await stranger.sign_in(place=place)
    assert str(stranger.page.answer.url) == HOME


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [("sk_wrong", 401, "no API key of ours"), ("", 401, "no API key"), (CARL, 403, "role admin or support")],
)
async def test_who_may_not_come_in_is_told_why(stranger: Desk, key: str, status: int, words: str) -> None:
    page = await stranger.sign_in(key)
    assert page.status == status
    assert words in page.text
    assert cookie_of(stranger.browser) is None


def test_a_session_ends_with_its_time_its_key_and_its_secret(engine: Engine) -> None:
    settings = engine.settings.model_copy(update={"support_keys": (NamedKey("anna", ANNA),)})
    caller = caller_of(settings, ANNA)
    assert caller
    now = engine.clock()
    cookie = begin(settings, caller, now)
    session = opened(settings, cookie, now + LIFETIME - timedelta(seconds=2))
    assert session
    assert session.caller.actor == "anna"
    assert opened(settings, cookie, now + LIFETIME) is None
    assert opened(engine.settings, cookie, now) is None
    other = type(engine.settings.dashboard_secret)("another secret of ours")
    assert opened(settings.model_copy(update={"dashboard_secret": other}), cookie, now) is None
    name, expires, rest = cookie.split(".", 2)
    for forged in ("", "....", cookie[:-1], cookie + "x", f"{name}.{int(expires) + 9999}.{rest}"):
        assert opened(settings, forged, now) is None
    finance = engine.settings.model_copy(update={"finance_keys": (NamedKey("anna", ANNA),)})
    assert opened(finance, cookie, now) is None


async def test_who_signs_in_by_a_form_of_another_site_is_not_let_in(stranger: Desk) -> None:
    """Or somebody else would choose in whose name is acted."""
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        answer = await stranger.browser.post(f"{HOME}/sign-in", data={"key": ANNA}, headers=headers)
        assert answer.status_code == 403
    assert cookie_of(stranger.browser) is None


async def test_behind_a_proxy_the_cookie_goes_to_the_dashboard_alone_and_never_in_the_clear(engine: Engine) -> None:
    more = {"support_keys": (NamedKey("anna", ANNA),), "public_url": "https://pages.test/billing"}
    app = create_app(engine.settings.model_copy(update=more))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://pages.test") as browser,
    ):
        answer = await browser.post("/dashboard/sign-in", data={"key": ANNA})
    assert answer.headers["location"] == "/billing/dashboard"
    cookie = [part.strip().lower() for part in answer.headers["set-cookie"].split(";")]
    assert {"secure", "httponly", "path=/billing/dashboard"} <= set(cookie)


async def test_whoever_comes_from_another_site_comes_once_more_from_ours(desk: Desk) -> None:
    """A strict cookie stays at home when a link of the Temporal UI is followed."""
    desk.browser.cookies.clear()
    page = await desk.open("/actions", **{"Sec-Fetch-Site": "cross-site"})
    assert (page.status, page.text.count('http-equiv="refresh"')) == (200, 1)
    assert f"{HOME}/actions" in page.links
    assert "What support did" not in page.text


@pytest.mark.parametrize(
    "path", ["", "/actions", "/subscriptions/sub_x", "/subscriptions/sub_x/reset", "/invoices/inv_x"]
)
async def test_nothing_is_shown_to_strangers(stranger: Desk, path: str) -> None:
    answer = await stranger.browser.get(f"{HOME}{path}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/dashboard/sign-in")
