"""What a browser makes of a page of ours: its step, its forms, its links."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit


@dataclass(slots=True)
class Page(HTMLParser):
    """`kind` is the step of a checkout, or what the page says (`already_paid`); empty at a bank.

    `refresh`: where it looks again by itself. `alert`: something went wrong with what was chosen before.
    """

    url: str
    html: str
    kind: str = ""
    actions: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    refresh: str | None = None
    alert: bool = False

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self.feed(self.html)

    @property
    def session(self) -> str:
        """The checkout session that the page belongs to."""
        return urlsplit(self.url).path.rpartition("/")[2]

    @property
    def bank(self) -> str:
        """Where the way to the customer's bank begins."""
        return f"{self.url.partition('?')[0]}/bank"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        match tag:
            case "body":
                self.kind = named.get("class", "")
            case "form":
                self.actions.append(urljoin(self.url, named["action"]))
            case "input" if named.get("type") == "hidden":
                self.fields[named["name"]] = named["value"]
            case "meta" if named.get("http-equiv") == "refresh":
                self.refresh = urljoin(self.url, named["content"].partition("url=")[2])
            case "div" if named.get("class") == "alert":
                self.alert = True
