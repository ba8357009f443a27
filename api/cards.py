"""Card numbers do not come in here. A body with something that looks like one is refused before anything reads it."""

import json
import re
import unicodedata
from collections.abc import Iterator

from stdnum import iban

from api.errors import Problem, invalid

SHORTEST, LONGEST = 13, 19
_MESSAGE = "looks like a card number; Perennial takes tokens of a payment gateway only"

# Our ids and UUIDs are full of digits and no card numbers. Ours are longer than any: nothing hides behind a prefix.
_IDS = re.compile(r"\b[a-z]{2,6}_[0-9a-f]{20,24}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_DIGIT = re.compile(r"\d")
# How the numbers of the card schemes begin (ISO/IEC 7812; Mir 2200 to 2204, Mastercard 2221 to 2720, RuPay and UnionPay
# 81 and 82, Troy 9792). Without this one in ten times in milliseconds would be a card's number.
_ISSUED = re.compile(r"(?:220[0-4]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[04-9]|[4-6]|8[12]|9792)")
# Groups of digits as people write them: with blanks or dashes between.
_RUN = re.compile(r"\d+(?:[\s\-\u2010-\u2015]{1,3}\d+)*")


def refuse_cards(body: bytes) -> None:
    """Raises Problem: 422, naming the field and never the value."""
    if not body:
        return
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        # It is refused for its form later; its words are looked at all the same, for a log may hold them.
        parsed = body.decode(errors="replace")
    field = next((path for path, text in _texts(parsed) if has_card_number(text)), None)
    if field is not None:
        raise _refusal(field)


def _refusal(field: str) -> Problem:
    # A card number in the name of a field would be echoed by naming the field.
    return invalid("body" if has_card_number(field) else field, _MESSAGE, "card_number_refused")


def has_card_number(text: str) -> bool:
    """Whether 13 to 19 digits, whole groups of them, begin and end as card numbers do."""
    text = unicodedata.normalize("NFKC", text)
    # Nearly every text of a batch of events ends here: the rest of the work was a quarter of what the batch cost.
    if len(text) < SHORTEST or len(_DIGIT.findall(text)) < SHORTEST:
        return False
    text = _IDS.sub(" ", text)
    found = any(_passes(digits) for run in _RUN.findall(text) for digits in _joined(re.findall(r"\d+", run)))
    # One in ten of Belgium's account numbers would be a card's by its digits; none is with its own check digits.
    return found and not iban.is_valid(text)


def masked(text: str) -> str:
    """For logs: the text, unless it has a card number in it."""
    return "[card number]" if has_card_number(text) else text


def _joined(groups: list[str]) -> Iterator[str]:
    """Neighbouring groups put together, as long as they are no longer than a card number."""
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            digits += group
            if len(digits) > LONGEST:
                break
            if len(digits) >= SHORTEST:
                yield digits


def _passes(digits: str) -> bool:
    """Begins as a scheme's numbers do, and Luhn: every second digit from the right counts double, the sum ends in 0."""
    if not _ISSUED.match(digits):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of its two digits
    return total % 10 == 0


def _texts(root: object) -> Iterator[tuple[str, str]]:
    """Every string, number and name of a field with its path, without recursion: a body may be nested deeply."""
    waiting: list[tuple[str, object]] = [("", root)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            for name, item in value.items():
                inner = f"{path}.{name}" if path else name
                yield inner, name
                waiting.append((inner, item))
        elif isinstance(value, list):
            waiting.extend((f"{path}[{n}]", item) for n, item in enumerate(value))
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield path or "body", str(value)
