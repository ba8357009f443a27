"""Words for facts: every kind has its template, and no template has a hole."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import meta

from perennial.domain.dunning import CaseMessage
from perennial.notifications.kinds import BY_NAME, COMMON, KINDS
from perennial.notifications.rendering import _ENVIRONMENT, TEMPLATES, CannotRender, decline, money, render

FACTS = {
    "customer_name": "Ada Lovelace",
    "timezone": "Pacific/Auckland",
    "occurred_at": datetime(2031, 1, 31, 12, tzinfo=UTC),
    "plan": "Team",
    "quantity": 3,
    "ends_at": "2031-02-28T11:00:00+00:00",
    "amount": "123456",
    "currency": "USD",
    "invoice_number": "INV-000042",
    "code": "insufficient_funds",
    "action_url": "https://billing.example/pay",
    "pay_url": "https://billing.example/pay/inv_1/token",
    "brand": "visa",
    "last4": "4242",
    "exp_month": 3,
    "exp_year": 2032,
    "periods": 2,
    "giver_name": "Charles",
    "recipient_name": "Mary",
    "claim_code": "ABCD-EFGH",
    "until": "2031-03-01T00:00:00+00:00",
    "reason": "payment_failed",
    "effective_at": "2031-03-01T00:00:00+00:00",
    "next_attempt_at": "2031-02-01T00:00:00+00:00",
    "deliver_at": datetime(2031, 2, 14, tzinfo=UTC),
    "expires_at": datetime(2032, 2, 14, tzinfo=UTC),
    "message": "Happy birthday!",
    "feature": "api-calls",
    "share": "80",
    "used": "8123",
    "limit": "10000",
}
NAMES = [kind.name for kind in KINDS]
ROOT = Path(__file__).parents[3]


def only(names: frozenset[str]) -> dict[str, object]:
    return {name: FACTS[name] for name in names | COMMON}


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_is_rendered_with_what_it_needs(name: str) -> None:
    kind = BY_NAME[name]
    for names in (kind.needs, kind.needs | kind.may):
        rendered = render(name, only(names))
        assert rendered.subject
        assert "\n" not in rendered.subject
        assert rendered.body.startswith("Hello Ada Lovelace,\n\n")
        assert rendered.body.endswith("Perennial\n")
        assert not re.search(r"[{}]|None|Undefined|\n\n\n\n", rendered.subject + rendered.body)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_variable_fails(name: str) -> None:
    kind = BY_NAME[name]
    for missing in (_used(name) & kind.needs) | {"customer_name"}:
        with pytest.raises(CannotRender, match=missing):
            render(name, {key: value for key, value in only(kind.needs).items() if key != missing})


@pytest.mark.parametrize("name", NAMES)
def test_a_template_uses_what_is_declared_and_nothing_else(name: str) -> None:
    kind = BY_NAME[name]
    assert _used(name) <= kind.needs | kind.may | COMMON
    assert kind.may <= _used(name)


def _used(name: str) -> set[str]:
    return meta.find_undeclared_variables(_ENVIRONMENT.parse((TEMPLATES / f"{name}.txt").read_text()))


def test_every_template_has_its_kind() -> None:
    assert sorted(path.stem for path in TEMPLATES.glob("*.txt")) == sorted([*NAMES, "layout"])


def test_every_kind_that_the_engine_writes_has_a_template() -> None:
    folders = ("perennial/domain", "perennial/db", "activities", "workflows")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    written = {kind for source in sources for kind in _kinds_written(ast.parse(source))} | {*map(str, CaseMessage)}
    assert {"receipt", "payment_failed", "trial_ending", "subscription_canceled"} <= written
    assert written <= set(NAMES)


def _kinds_written(module: ast.Module) -> Iterator[str]:
    """The second argument of every `Message(key, kind, ...)`; a variable stands for the strings it is made of."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Message":
            yield from _strings(node.args[1], assigned)


def _strings(value: ast.expr, assigned: dict[str, list[ast.expr]]) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from _strings(value.body, assigned)
            yield from _strings(value.orelse, assigned)
        case ast.Dict():
            for item in value.values:
                yield from _strings(item, assigned)
        case ast.Name():
            for source in assigned.get(value.id, []):
                yield from _strings(source, assigned)
        case ast.Subscript():
            yield from _strings(value.value, assigned)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123456, "USD", "USD 1234.56"),
        ("5", "EUR", "EUR 0.05"),
        (1234, "JPY", "JPY 1234"),
        (1234, "KWD", "KWD 1.234"),
        (10**17 + 1, "USD", "USD 1000000000000000.01"),
    ],
)
def test_money_is_exact_in_its_own_digits(amount: int | str, currency: str, text: str) -> None:
    assert money(amount, currency) == text
    rendered = render("receipt", only(BY_NAME["receipt"].needs) | {"amount": amount, "currency": currency})
    assert f"received {text} for" in rendered.body


@pytest.mark.parametrize("amount", ["12.34", "", "a lot", None])
def test_what_is_no_amount_fails(amount: str | None) -> None:
    with pytest.raises(CannotRender):
        render("receipt", only(BY_NAME["receipt"].needs) | {"amount": amount})


def test_dates_are_those_of_the_customer() -> None:
    body = render("trial_ending", only(BY_NAME["trial_ending"].needs)).body
    assert "1 March 2031" in body  # 28 February 11:00 UTC is 1 March in Auckland
    body = render("trial_ending", only(BY_NAME["trial_ending"].needs) | {"timezone": "UTC"}).body
    assert "28 February 2031" in body


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "pickup_card"])
def test_what_a_customer_may_not_be_told_looks_like_any_decline(code: str) -> None:
    assert decline(code) == decline("generic_decline")
    secret, plain = (
        render("payment_failed", only(BY_NAME["payment_failed"].needs) | {"code": code})
        for code in (code, "generic_decline")
    )
    assert secret == plain


def test_a_decline_that_helps_is_told() -> None:
    assert "not enough money" in render("payment_failed", only(BY_NAME["payment_failed"].needs)).body


def test_a_name_makes_no_second_line_of_the_subject() -> None:
    evil = only(BY_NAME["gift_delivered"].needs) | {"giver_name": "Eve\r\nBcc: all@example.com"}
    assert render("gift_delivered", evil).subject == "Eve Bcc: all@example.com has a gift for you: Team"


def test_an_unknown_kind_fails() -> None:
    with pytest.raises(CannotRender, match="no message of kind 'nonsense'"):
        render("nonsense", FACTS)


def test_text_in_a_fact_is_no_template() -> None:
    body = render("gift_delivered", only(BY_NAME["gift_delivered"].needs) | {"message": "{{ claim_code }}"}).body
    assert "{{ claim_code }}" in body
