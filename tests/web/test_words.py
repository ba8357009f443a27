"""The pages' words: every language says everything, with the same values; every code that needs words has them."""

import json
import re
from pathlib import Path

import pytest

from api.web.words import LANGUAGES, Words
from perennial.documents.wording import LANGUAGES as OF_DOCUMENTS
from perennial.domain.calendar import Interval, IntervalUnit

TEXTS = Path(__file__).parents[2] / "api" / "web" / "texts"
SOURCES = [*TEXTS.parent.glob("*.py"), *(TEXTS.parent / "templates").glob("*.html")]


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((TEXTS / f"{language}.json").read_text())
    return found


def fields(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_there_is_every_language_of_the_documents() -> None:
    assert LANGUAGES == OF_DOCUMENTS


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_it_says_everything_with_the_same_values(language: str) -> None:
    english, own = texts("en"), texts(language)
    assert list(own) == list(english)
    assert {key: fields(text) for key, text in own.items()} == {key: fields(text) for key, text in english.items()}
    assert all(own.values())


def test_nothing_is_said_that_no_page_says() -> None:
    """Words that are made of a kind and a code count as used by their kind."""
    source = "\n".join(path.read_text() for path in SOURCES)
    kinds = ("decline_", "refusal_", "per_", "every_")
    pages = ("already_paid", "void", "ended", "expired", "unknown", "unavailable", "failed")
    unused = [
        key
        for key in texts("en")
        if not re.search(rf"[\"']{key}[\"']", source)
        and not key.startswith(kinds)
        and not (key.endswith(("_title", "_text")) and key.rpartition("_")[0] in pages)
    ]
    assert unused == ["language"]


@pytest.mark.parametrize(("code", "said"), [("lost_card", False), ("fraudulent", False), ("expired_card", True)])
def test_what_may_not_be_told_is_a_plain_decline(code: str, *, said: bool) -> None:
    words = Words("en")
    assert (words.decline(code) != words.decline(None)) is said


def test_intervals_have_words() -> None:
    words = Words("en-GB")
    assert words.every(Interval(IntervalUnit.YEAR)) == "per year"
    assert words.every(Interval(IntervalUnit.WEEK, 2)) == "every 2 weeks"
