"""What bad input gets: 422 with the field named, 404 for what is not there, 409 with the reason. One row, one test."""

from typing import Any

import httpx
import pytest

from tests.api.asking import KEY, Api, problem

CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}
PLAN = {
    "code": "bad-input",
    "name": "Bad input",
    "interval": {"unit": "month"},
    "prices": {"USD": {"type": "flat", "amount": "9.00"}},
}
SUBSCRIPTION = {"customer_id": "cus_nobody", "plan": "basic-monthly"}
COUPON = {"code": "BAD-INPUT", "amount_off": 500, "currency": "USD"}
GIFT = {
    "giver_id": "cus_nobody",
    "plan": "basic-monthly",
    "periods": 3,
    "recipient_name": "Charles",
    "recipient_email": "charles@example.com",
}
CLOCK = {"name": "clock", "now": "2026-01-01T00:00:00Z"}
PERCENT = {"code": "BAD-INPUT"}


def _price(**model: Any) -> dict[str, Any]:
    return PLAN | {"prices": {"USD": model}}


UNACCEPTABLE: list[tuple[str, str, Any, str]] = [
    # malformed bodies
    ("customers", "a list", [], "body"),
    ("customers", "nothing", {}, "name"),
    ("customers", "an unknown field", CUSTOMER | {"vip": True}, "vip"),
    ("customers", "a number for a name", CUSTOMER | {"name": 7}, "name"),
    ("customers", "no mail address", CUSTOMER | {"email": "ada"}, "email"),
    ("customers", "a NUL in a name", CUSTOMER | {"name": "A\x00da"}, "name"),
    ("customers", "a line break in an address", CUSTOMER | {"email": "ada@example.com\nBcc: x@y.z"}, "email"),
    ("subscriptions", "no plan", {"customer_id": "cus_nobody"}, "plan"),
    ("subscriptions", "no customer", {"plan": "basic-monthly"}, "customer_id"),
    ("subscriptions", "two customers", SUBSCRIPTION | {"customer": CUSTOMER}, "customer_id"),
    ("subscriptions", "a field of a customer", {"plan": "x", "customer": CUSTOMER | {"email": 1}}, "customer.email"),
    (
        "subscriptions",
        "two payment methods",
        SUBSCRIPTION | {"payment_method": "pm_card_visa", "payment_method_id": "pm_1"},
        "payment_method_id",
    ),
    # currencies
    ("subscriptions", "an unknown currency", SUBSCRIPTION | {"currency": "XXQ"}, "currency"),
    ("subscriptions", "a currency in lower case", SUBSCRIPTION | {"currency": "usd"}, "currency"),
    ("gifts", "an unknown currency", GIFT | {"currency": "EURO"}, "currency"),
    ("plans", "an unknown currency", PLAN | {"prices": {"XXQ": {"type": "flat", "amount": "1"}}}, "prices.XXQ"),
    ("coupons", "an unknown currency", COUPON | {"currency": "XXQ"}, "currency"),
    ("coupons", "an amount without a currency", {"code": "BAD-INPUT", "amount_off": 500}, "currency"),
    # minor units: whole numbers above nought
    ("coupons", "negative minor units", COUPON | {"amount_off": -500}, "amount_off"),
    ("coupons", "fractional minor units", COUPON | {"amount_off": 4.99}, "amount_off"),
    ("coupons", "a float that is whole", COUPON | {"amount_off": 500.0}, "amount_off"),
    ("coupons", "minor units in a string", COUPON | {"amount_off": "500"}, "amount_off"),
    ("coupons", "minor units as a truth", COUPON | {"amount_off": True}, "amount_off"),
    ("coupons", "more than any charge", COUPON | {"amount_off": 10**13}, "amount_off"),
    ("coupons", "a percentage as a float", PERCENT | {"percent_off": 12.5}, "percent_off"),
    ("coupons", "more than all", PERCENT | {"percent_off": "100.5"}, "percent_off"),
    ("coupons", "neither amount nor percentage", PERCENT, "percent_off"),
    # prices
    ("plans", "a negative price", _price(type="flat", amount="-9.00"), "prices.USD.amount"),
    ("plans", "a price as a float", _price(type="flat", amount=9.99), "prices.USD.amount"),
    ("plans", "an unknown model", _price(type="guess", amount="9.00"), "prices.USD.type"),
    ("plans", "an unknown field of a price", _price(type="flat", amount="9", vat="20"), "prices.USD.vat"),
    ("plans", "more than any charge", _price(type="flat", amount="99999999999999999"), "prices.USD"),
    (
        "plans",
        "tiers with a hole",
        _price(type="graduated", tiers=[{"up_to": 10, "unit_price": "1"}, {"up_to": 5, "unit_price": "1"}]),
        "prices.USD.tiers[1].up_to",
    ),
    ("plans", "no price", PLAN | {"prices": {}}, "prices"),
    ("plans", "an interval of nothing", PLAN | {"interval": {"unit": "month", "count": 0}}, "interval.count"),
    ("plans", "an unknown interval", PLAN | {"interval": {"unit": "fortnight"}}, "interval.unit"),
    ("plans", "a code that is none", PLAN | {"code": "Bad Input"}, "code"),
    ("plans", "a negative trial", PLAN | {"trial_days": -1}, "trial_days"),
    ("plans", "retries that fall", PLAN | {"dunning": {"retry_offsets_days": [3, 1]}}, "dunning.retry_offsets_days"),
    # quantities
    ("subscriptions", "no quantity", SUBSCRIPTION | {"quantity": 0}, "quantity"),
    ("subscriptions", "a fraction of a seat", SUBSCRIPTION | {"quantity": 1.5}, "quantity"),
    ("gifts", "no period", GIFT | {"periods": 0}, "periods"),
    # time zones and instants
    ("customers", "an unknown time zone", CUSTOMER | {"timezone": "Mars/Olympus"}, "timezone"),
    ("customers", "a path for a time zone", CUSTOMER | {"timezone": "../../etc/passwd"}, "timezone"),
    ("subscriptions", "an unknown time zone", SUBSCRIPTION | {"timezone": "CEST"}, "timezone"),
    ("test-clocks", "month 13", CLOCK | {"now": "2026-13-01T00:00:00Z"}, "now"),
    ("test-clocks", "the 30th of February", CLOCK | {"now": "2026-02-30T00:00:00Z"}, "now"),
    ("test-clocks", "an instant without a zone", CLOCK | {"now": "2026-01-01T00:00:00"}, "now"),
    ("test-clocks", "a date for an instant", CLOCK | {"now": "2026-01-01"}, "now"),
    ("checkout-sessions", "no mode", {"invoice_id": "inv_nope"}, "mode"),
    ("checkout-sessions", "an unknown mode", {"mode": "gratis"}, "mode"),
    ("checkout-sessions", "no invoice", {"mode": "invoice"}, "invoice_id"),
    ("test-clocks", "a number for an instant", CLOCK | {"now": 1767225600}, "now"),
    ("test-clocks", "a number in a string", CLOCK | {"now": "1767225600"}, "now"),
    ("test-clocks", "the year 9999", CLOCK | {"now": "9999-12-31T23:59:59Z"}, "now"),
    ("gifts", "month 13", GIFT | {"deliver_at": "2026-13-01T00:00:00Z"}, "deliver_at"),
]


@pytest.mark.parametrize(("what", "why", "body", "field"), UNACCEPTABLE, ids=[f"{r[0]}: {r[1]}" for r in UNACCEPTABLE])
async def test_422_names_the_field(api: Api, what: str, why: str, body: Any, field: str) -> None:
    problem(await api.post(f"/v1/{what}", body), 422, field=field)


COMMANDS: list[tuple[str, Any, str]] = [
    ("pause", {"until": "tomorrow"}, "until"),
    ("pause", {"until": "2027-13-01T00:00:00Z"}, "until"),
    ("pause", {"when": "later"}, "when"),
    ("change-plan", {}, "plan"),
    ("change-plan", {"plan": "basic-monthly", "quantity": "3"}, "quantity"),
    ("change-plan", {"plan": "basic-monthly", "proration": "guess"}, "proration"),
    ("change-quantity", {"quantity": -1}, "quantity"),
    ("cancel", {"refund": "everything"}, "refund"),
    ("cancel", {"refund": "full"}, "refund"),
    ("cancel", {"reason": "Ada Lovelace, ada@example.com"}, "reason"),
    ("extend-trial", {"until": "2027-02-01T00:00:00"}, "until"),
    ("gift", {"periods": 1000}, "periods"),
    ("resume", {"please": True}, "please"),
    ("apply-coupon", {"coupon": ""}, "coupon"),
    ("payment-method", {"payment_method_id": None}, "payment_method_id"),
    ("preview-change", {"plan": "basic-monthly"}, "command"),
    ("preview-change", {"command": "explode"}, "command"),
    ("preview-change", {"command": "change_plan"}, "plan"),
]


@pytest.mark.parametrize(("command", "body", "field"), COMMANDS)
async def test_422_names_the_field_of_a_command(api: Api, command: str, body: Any, field: str) -> None:
    problem(await api.post(f"/v1/subscriptions/sub_any/{command}", body), 422, field=field)


UNKNOWN = [
    "customers/cus_nope",
    "customers/cus_nope/payment-methods",
    "plans/nope",
    "coupons/NOPE",
    "subscriptions/sub_nope",
    "subscriptions/sub_nope/timeline",
    "subscriptions/sub_nope/invoices",
    "invoices/inv_nope",
    "payments/pay_nope",
    "credit-notes/cn_nope",
    "gifts/gift_nope",
    "test-clocks/clk_nope",
    "customers/%00",
    "subscriptions/a%00b",
    "customers/" + "x" * 3000,
]


@pytest.mark.parametrize("path", UNKNOWN, ids=[path[:40] for path in UNKNOWN])
async def test_404_for_an_unknown_id(api: Api, path: str) -> None:
    problem(await api.get(f"/v1/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("subscriptions/sub_nope/pause", {}),
        ("subscriptions/sub_nope/change-plan", {"plan": "basic-monthly"}),
        ("subscriptions/sub_nope/preview-change", {"command": "cancel"}),
        ("subscriptions", SUBSCRIPTION),
        ("subscriptions/preview", SUBSCRIPTION),
        ("customers/cus_nope/payment-methods", {"token": "pm_card_visa"}),
        ("plans/nope/archive", None),
        ("gifts", GIFT),
        ("gifts/claim", {"code": "AAAA-BBBB-CCCC", "customer_id": "cus_nope"}),
        ("gifts/gift_nope/cancel", None),
        ("test-clocks/clk_nope/advance", {"by": "P1D"}),
    ],
)
async def test_404_for_a_command_to_nobody(api: Api, path: str, body: Any) -> None:
    problem(await api.post(f"/v1/{path}", body), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("customers?limit=0", "limit"),
        ("customers?limit=101", "limit"),
        ("customers?limit=ten", "limit"),
        ("customers?cursor=bm9uZQ==", "cursor"),
        ("customers?cursor=%C3%A4", "cursor"),
        ("subscriptions?status=asleep", "status"),
        ("subscriptions?customer_id=%00", "customer_id"),
        ("messages?kind=%20", "kind"),
    ],
)
async def test_422_for_a_wrong_question(api: Api, path: str, field: str) -> None:
    problem(await api.get(f"/v1/{path}"), 422, field=field)


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 422),
        (b"", "application/json", 422),
        (b"name=Ada", "application/x-www-form-urlencoded", 422),
        (b'{"name": "Ada", "email": "ada@example.com"}', "text/plain", 422),
        (b'{"name": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"name": ' + b"9" * 5000 + b"}", "application/json", 400),
        (rb'{"name": "\ud800", "email": "ada@example.com"}', "application/json", 422),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', "application/json", 413),
    ],
    ids=["cut off", "empty", "a form", "text", "no UTF-8", "a deep nest", "a huge number", "half a character", "huge"],
)
async def test_a_body_that_cannot_be_read(http: httpx.AsyncClient, body: bytes, media_type: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": media_type}
    problem(await http.post("/v1/customers", content=body, headers=headers), status)


async def test_what_was_sent_is_not_repeated(api: Api) -> None:
    answer = await api.post("/v1/customers", {"name": "Ada", "email": "secret-address", "timezone": "Secret/Zone"})

    problem(answer, 422, field="email")
    assert "secret" not in answer.text.lower()
    answer = await api.post("/v1/checkout-sessions", {"mode": "secret-mode"})
    problem(answer, 422, field="mode")
    assert "secret" not in answer.text
    assert "'invoice'" in answer.text
