"""What a customer does on the pages, over HTTP: open a link, read the form, fill it in, go to the bank and back."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx

from tests.support.stage import eventually

HERE = "http://pages.test"


@dataclass
class Page(HTMLParser):
    """What a browser makes of an answer. `actions` are those of its forms, `fields` the hidden ones."""

    answer: httpx.Response
    actions: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)
    checked: str | None = None
    links: list[str] = field(default_factory=list)
    refresh: str | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.answer.text)

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def text(self) -> str:
        return self.answer.text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        match tag, named.get("type"):
            case "form", _:
                self.actions.append(self._absolute(named["action"]))
            case "input", "hidden":
                self.fields[named["name"]] = named["value"]
            case "input", "radio":
                self.methods.append(named["value"])
                self.checked = named["value"] if "checked" in named else self.checked
            case "a", _:
                self.links.append(self._absolute(named["href"]))
            case "meta", _ if named.get("http-equiv") == "refresh":
                self.refresh = self._absolute(named["content"].partition("url=")[2])

    def _absolute(self, link: str) -> str:
        return urljoin(str(self.answer.url), link)


class Shopper:
    """Follows redirects as a browser does; `page` is what it shows."""

    def __init__(self, browser: httpx.AsyncClient) -> None:
        self.browser = browser
        self._page: Page | None = None

    @property
    def page(self) -> Page:
        assert self._page is not None, "nothing has been opened"
        return self._page

    def turn_to(self, page: Page) -> "Shopper":
        """Another window."""
        self._page = page
        return self

    async def open(self, url: str) -> Page:
        self._page = Page(await self.browser.get(url, follow_redirects=True))
        return self._page

    async def send(self, method: str | None = None, **fields: Any) -> Page:
        """Choose a payment method (`new:pm_card_visa`; None: the one that is marked) and press the button."""
        chosen = method or self.page.checked
        return await self.post(self.page.fields | ({"method": chosen} if chosen else {}) | fields)

    async def post(self, data: dict[str, str]) -> Page:
        self._page = Page(await self.browser.post(self.page.actions[0], data=data, follow_redirects=True))
        return self._page

    async def go_to_bank(self) -> Page:
        return await self.open(next(link for link in self.page.links if link.endswith("/bank")))

    async def answer_bank(self, outcome: str = "pass") -> Page:
        """At the simulated bank; then back on our page, looking again until it has stopped waiting."""
        action = next(action for action in self.page.actions if f"outcome={outcome}" in action)
        self._page = Page(await self.browser.post(action, follow_redirects=True))
        return await self.wait()

    async def wait(self) -> Page:
        """Let the page look again as long as it does so by itself."""

        async def settled() -> Page | None:
            if self.page.refresh is None:
                return self.page
            await self.open(self.page.refresh)
            return None

        return await eventually(settled)
