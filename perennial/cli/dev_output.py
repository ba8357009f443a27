"""What `perennial dev` shows: prefixed logs of every process, and the addresses once all is up."""

import json
import threading
from collections.abc import Callable

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from perennial.config import Settings
from perennial.stack import Stack

STYLES = {"api": "cyan", "worker": "green", "relay": "magenta", "perennial": "bold"}
PREFIX_WIDTH = 9

FIRST_SUBSCRIPTION = {
    "customer": {"name": "Ada Lovelace", "email": "ada@example.com"},
    "payment_method": "pm_card_visa",
    "plan": "basic-monthly",
}


class Output:
    """One line at a time to the terminal, whichever thread has it."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self._lock = threading.Lock()

    @property
    def is_colored(self) -> bool:
        return self._console.is_terminal and not self._console.no_color

    def say(self, text: str) -> None:
        self.line("perennial", text)

    def line(self, name: str, text: str) -> None:
        self._print(Text.assemble((f"{name:<{PREFIX_WIDTH}} ", STYLES.get(name, "")), Text.from_ansi(text)))

    def of(self, name: str) -> Callable[[str], None]:
        """Where a child's lines go."""
        return lambda text: self.line(name, text)

    def banner(self, settings: Settings, api_url: str, stack: Stack) -> None:
        """Addresses, the key, and a first request to paste; nothing in it is wrapped or framed."""
        key = settings.api_keys[0] if settings.api_keys else "(none)"
        rows = [("API", f"{api_url}/docs"), ("Dashboard", f"{api_url}/dashboard"), ("API key", key)]
        if stack.ui_url is not None:
            rows.insert(2, ("Temporal UI", stack.ui_url))
        rows.append(("State", str(stack.folder.path)))
        self._print(Rule("Perennial is running", style="bold green"))
        for name, value in rows:
            self._print(Text.assemble((f"  {name:<12} ", "bold"), value))
        self._print(Text("\n  A first subscription:\n", style="bold"))
        self._print(Text(_curl(api_url, key)))
        self._print(
            Text("\n  In another terminal: .venv/bin/perennial subscriptions list        Ctrl-C stops everything")
        )
        self._print(Rule(style="bold green"))

    def _print(self, what: Text | Rule) -> None:
        with self._lock:
            try:
                self._console.print(what)
            except OSError:  # nobody reads any more (`perennial dev | head`): go on without words
                self._console.quiet = True


def _curl(api_url: str, key: str) -> str:
    return (
        f"curl -s {api_url}/v1/subscriptions \\\n"
        f"  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(FIRST_SUBSCRIPTION)}'"
    )
