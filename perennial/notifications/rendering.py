"""From a kind and its facts to subject and body: plain text, and an error instead of a hole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from perennial.domain.calendar import to_wall
from perennial.domain.declines import disclosable
from perennial.domain.errors import PerennialError
from perennial.domain.money import Money
from perennial.notifications.kinds import BY_NAME

TEMPLATES = Path(__file__).parent / "templates"
_GENERIC_DECLINE = "Your bank declined the payment."
# What each disclosable code means to the person who holds the card.
_DECLINES = {
    "insufficient_funds": "There was not enough money on the account.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The security code of the card was wrong.",
    "invalid_cvc": "The security code of the card was wrong.",
    "incorrect_number": "The card number is wrong.",
    "processing_error": "The bank could not process the payment just now.",
    "try_again_later": "The bank could not process the payment just now.",
    "authentication_required": "Your bank wants you to confirm the payment.",
    "authentication_failed": "The payment was not confirmed with your bank.",
    "card_not_supported": "The card does not allow this kind of payment.",
    "currency_not_supported": "The card does not allow payments in this currency.",
    "no_payment_method": "There is no payment method on file.",
}


class CannotRender(PerennialError):
    """The kind has no template, or a variable that the template needs is missing or wrong."""

    code: ClassVar[str] = "cannot_render_message"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One line of subject, a body that ends with a line break."""

    subject: str
    body: str


def render(kind: str, context: Mapping[str, Any]) -> Rendered:
    """The message in words.

    Amounts in the context are minor units (integers, or their digits), instants aware UTC or ISO 8601.

    Raises:
        CannotRender: unknown kind, missing variable, or a value that is no amount or instant.
    """
    if kind not in BY_NAME:
        raise CannotRender(f"there is no message of kind {kind!r}")
    try:
        template = _ENVIRONMENT.get_template(f"{kind}.txt")
        subject = "".join(template.blocks["subject"](template.new_context(dict(context))))
        body = template.render(context)
    except (TemplateError, PerennialError, ValueError, TypeError) as error:
        raise CannotRender(f"{kind}: {error}") from error
    # A name with a line break in it must not become a second header.
    return Rendered(subject=" ".join(subject.split()), body=body.strip() + "\n")


def money(amount: int | str, currency: str) -> str:
    """`1234` and `USD` as "USD 12.34", `1234` and `JPY` as "JPY 1234"."""
    return str(Money(int(amount), currency))


def date(instant: datetime | str, timezone: str) -> str:
    """The civil date of an instant where the customer is: "1 December 2026"."""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{to_wall(at, timezone):%-d %B %Y}"


def decline(code: str) -> str:
    """A decline code in a sentence; codes that a customer may not be told, and unknown ones, in the generic one."""
    return _DECLINES.get(code, _GENERIC_DECLINE) if disclosable(code) else _GENERIC_DECLINE


# Plain text: there is no markup that a name could break out of.
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"money": money, "date": date, "decline": decline}
