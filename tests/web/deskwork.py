"""Somebody of support at the dashboard, over HTTP: signs in, opens pages, fills forms in."""

import re
from typing import Any

import httpx

from tests.web.shopping import HERE, Page

ANNA = "sk_of_anna_of_support"
CARL = "fk_of_carl_of_finance"
HOME = f"{HERE}/dashboard"


class Desk:
    """`page` is what the browser shows."""

    def __init__(self, browser: httpx.AsyncClient) -> None:
        self.browser = browser

    async def sign_in(self, key: str = ANNA, place: str = "") -> Page:
        await self.open(f"/sign-in?next={place}" if place else "/sign-in")
        return await self.send("/sign-in", key=key)

    async def open(self, path: str = "", **headers: str) -> Page:
        self.page = Page(await self.browser.get(f"{HOME}{path}", headers=headers, follow_redirects=True))
        return self.page

    async def send(self, path: str, **fields: str) -> Page:
        """With the hidden fields of the page."""
        answer = await self.browser.post(f"{HOME}{path}", data=self.page.fields | fields, follow_redirects=True)
        self.page = Page(answer)
        return self.page

    def said(self) -> str:
        """Its words, without the markup."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.page.text).split())


def cookie_of(browser: httpx.AsyncClient) -> Any:
    return browser.cookies.get("perennial_dashboard")
