"""The words of the pages, by language: one JSON file each in `texts/`, all with the keys of `en.json`."""

import json
from datetime import date
from functools import cache
from pathlib import Path

from perennial.documents.formats import Formats, formats
from perennial.documents.wording import FALLBACK, Wording
from perennial.domain.calendar import Interval
from perennial.domain.declines import disclosable

_TEXTS = Path(__file__).parent / "texts"
LANGUAGES = frozenset(path.stem for path in _TEXTS.glob("*.json"))
_ENGLISH = frozenset(json.loads((_TEXTS / f"{FALLBACK}.json").read_text(encoding="utf-8")))


class Words:
    """The words and habits of one locale: `words("pay", amount=words.format.money(1999, "EUR"))`."""

    def __init__(self, tag: str) -> None:
        self.format: Formats = formats(tag, LANGUAGES)
        self._wording = _wording(self.format.locale.language)

    def __call__(self, key: str, **values: object) -> str:
        return self._wording(key, **values)

    @property
    def language(self) -> str:
        """For `<html lang>`."""
        return str(self.format.locale.language)

    def every(self, interval: Interval) -> str:
        """`per month`, `every 3 months`."""
        if interval.count == 1:
            return self(f"per_{interval.unit.value}")
        return self(f"every_{interval.unit.value}s", count=interval.count)

    def day(self, day: date) -> str:
        return self.format.day(day)

    def decline(self, code: str | None) -> str:
        """Why the bank said no, as far as the customer may be told."""
        return self._by_code("decline", code if code and disclosable(code) else None)

    def refusal(self, code: str) -> str:
        return self._by_code("refusal", code)

    def _by_code(self, kind: str, code: str | None) -> str:
        known = f"{kind}_{code}"
        return self(known if known in _ENGLISH else f"{kind}_other")


@cache
def _wording(language: str) -> Wording:
    return Wording(json.loads((_TEXTS / f"{language}.json").read_text(encoding="utf-8")))
