"""The words of a document, by language: one JSON file each in `texts/`, all with the keys of `en.json`."""

import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

_TEXTS = Path(__file__).parent / "texts"
LANGUAGES = frozenset(path.stem for path in _TEXTS.glob("*.json"))
FALLBACK = "en"
# C: controls, halves of characters, private and unassigned ones. No font has them, and XML forbids some.
_UNPRINTABLE = ("Cc", "Cs", "Co", "Cn")


class Wording:
    """`wording("due_on", date="1 May")`. A missing key or value is an error, never a hole on an invoice."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def __call__(self, key: str, **values: Any) -> str:
        text = self._texts[key]
        # A value is put in as it is: what looks like a field in a name stays a name.
        return text.format_map(values) if values else text


@cache
def wording(language: str) -> Wording:
    """Those of the language, or English ones."""
    name = language if language in LANGUAGES else FALLBACK
    return Wording(json.loads((_TEXTS / f"{name}.json").read_text(encoding="utf-8")))


def printable(text: str) -> str:
    """Without what no font can show and XML cannot carry; line breaks stay."""
    shown = (c if c == "\n" or unicodedata.category(c) not in _UNPRINTABLE else " " for c in text.replace("\r\n", "\n"))
    return "".join(shown).strip()
