"""Who may redeem a coupon, and how often: whoever asks at the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from perennial.cli.migrations import upgrade
from perennial.db.engine import make_engine
from perennial.db.models import Coupon, CouponRedemption, Customer, Invoice
from perennial.db.repositories import coupons
from perennial.domain.coupons import (
    AlreadyRedeemed,
    CouponArchived,
    CouponExhausted,
    CouponExpired,
    CouponTerms,
    FirstTimeOnly,
)
from perennial.domain.errors import InvalidInput, NotFound
from perennial.domain.subscription.state import Discount
from tests.support.databases import own_database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENTH = Decimal(10)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        url = engine.url.render_as_string(hide_password=False)
        upgrade(url)
        crowd = make_engine(url, pool_size=20)
        yield crowd
        crowd.dispose()


@pytest.fixture
def session(database: Engine) -> Iterator[Session]:
    """What a test writes is taken back."""
    with database.connect() as connection, connection.begin() as transaction:
        with Session(connection) as session:
            yield session
        transaction.rollback()


def newcomer(session: Session) -> str:
    customer = Customer(id=f"cus_{uuid4().hex[:20]}", name="Ada", email="ada@example.com", created_at=NOON)
    session.add(customer)
    session.flush()
    return customer.id


def coupon(session: Session, **fields: Any) -> str:
    code = f"CODE-{uuid4().hex[:8]}"
    fields = {"percent_off": TENTH} | fields
    assert coupons.add(session, CouponTerms(code=code, **fields), NOON)
    return code


def redeem(session: Session, code: str, customer: str, subscription: str | None = None, **how: Any) -> Discount:
    fresh = uuid4().hex[:12]
    fields: dict[str, Any] = {"plan": "basic", "currency": "USD", "at": NOON, "request_id": f"req_{fresh}"} | how
    return coupons.redeem(session, code, customer_id=customer, subscription_id=subscription or f"sub_{fresh}", **fields)


def counted(session: Session, code: str) -> tuple[int, int]:
    """What the coupon says, and how many redemptions are in force."""
    session.expire_all()
    found = select(func.count()).where(CouponRedemption.coupon_code == code, CouponRedemption.released_at.is_(None))
    return session.get_one(Coupon, code).redeemed, session.scalar(found) or 0


def test_two_hundred_at_once_get_what_ten_may_have(database: Engine) -> None:
    with Session(database) as session, session.begin():
        code, customer = coupon(session, max_redemptions=10), newcomer(session)

    def ask(n: int) -> bool:
        try:
            with Session(database) as session, session.begin():
                redeem(session, code, customer, f"sub_{code}_{n}", request_id=f"req_{code}_{n}")
        except CouponExhausted:
            return False
        return True

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(ask, range(200)))
    assert sum(answers) == 10
    with Session(database) as session:
        assert counted(session, code) == (10, 10)


def test_one_request_redeems_once_however_often_it_is_sent(database: Engine) -> None:
    with Session(database) as session, session.begin():
        code, customer = coupon(session, max_redemptions=3), newcomer(session)

    def ask(_: int) -> Discount:
        with Session(database) as session, session.begin():
            return redeem(session, code, customer, f"sub_{code}", request_id=f"req_{code}")

    with ThreadPoolExecutor(10) as crowd:
        assert set(crowd.map(ask, range(10))) == {Discount(code, percent=TENTH)}
    with Session(database) as session:
        assert counted(session, code) == (1, 1)


def test_the_last_redemption_stays_good_for_the_request_that_made_it(session: Session) -> None:
    code, customer = coupon(session, max_redemptions=1), newcomer(session)
    redeem(session, code, customer, "sub_1", request_id="req_1")
    look: dict[str, Any] = {"customer_id": customer, "plan": "basic", "currency": "USD", "at": NOON}
    assert coupons.discount_for(session, code, **look, request_id="req_1").coupon == code
    with pytest.raises(CouponExhausted):
        coupons.discount_for(session, code, **look)


def test_a_refused_request_gives_its_redemption_back_and_may_ask_again(session: Session) -> None:
    code, customer = coupon(session, max_redemptions=1), newcomer(session)
    redeem(session, code, customer, "sub_1", request_id="req_1")
    with pytest.raises(CouponExhausted):
        redeem(session, code, customer, "sub_2")
    coupons.release(session, "req_1")
    coupons.release(session, "req_1")
    assert counted(session, code) == (0, 0)
    redeem(session, code, customer, "sub_1", request_id="req_1")
    assert counted(session, code) == (1, 1)


def test_a_subscription_redeems_a_coupon_once(session: Session) -> None:
    code, customer = coupon(session), newcomer(session)
    redeem(session, code, customer, "sub_1")
    with pytest.raises(AlreadyRedeemed):
        redeem(session, code, customer, "sub_1")
    redeem(session, code, customer, "sub_2")
    assert counted(session, code) == (2, 2)


def test_it_expires_at_an_instant_of_domain_time(session: Session) -> None:
    code, customer = coupon(session, expires_at=NOON), newcomer(session)
    redeem(session, code, customer, at=NOON - timedelta(seconds=1))
    with pytest.raises(CouponExpired):
        redeem(session, code, customer, at=NOON)


def test_archived_it_is_redeemed_no_more(session: Session) -> None:
    code, customer = coupon(session), newcomer(session)
    coupons.require(session, code).archived_at = NOON
    with pytest.raises(CouponArchived):
        redeem(session, code, customer)


def test_it_is_for_its_plans_and_its_currency(session: Session) -> None:
    customer = newcomer(session)
    some = coupon(session, plans=("basic", "pro"))
    assert redeem(session, some, customer).plans == ("basic", "pro")
    with pytest.raises(InvalidInput, match="not for plan 'team'") as refused:
        redeem(session, some, customer, plan="team")
    assert refused.value.field == "coupon"
    euros = coupon(session, percent_off=None, amount_off=500, currency="EUR")
    with pytest.raises(InvalidInput, match="is in EUR"):
        redeem(session, euros, customer)
    with pytest.raises(NotFound):
        redeem(session, "NO-SUCH", customer)


@pytest.mark.parametrize(("status", "total"), [("paid", 0), ("void", 900), ("open", 900)])
def test_who_has_paid_nothing_is_there_for_the_first_time(session: Session, status: str, total: int) -> None:
    code, customer = coupon(session, first_time_only=True), newcomer(session)
    session.add(_invoice(customer, status, total))
    session.flush()
    redeem(session, code, customer)
    assert counted(session, code) == (1, 1)


def test_who_has_paid_an_invoice_is_not(session: Session) -> None:
    code, customer = coupon(session, first_time_only=True), newcomer(session)
    session.add(_invoice(customer, "paid", 900))
    session.flush()
    with pytest.raises(FirstTimeOnly):
        redeem(session, code, customer)


def _invoice(customer: str, status: str, total: int) -> Invoice:
    name = uuid4().hex[:20]
    zeros = dict.fromkeys(("discount", "tax", "credit_applied"), 0)
    return Invoice(
        id=f"inv_{name}",
        key=f"invoice:{name}",
        number=name,
        customer_id=customer,
        reason="one_off",
        period_no=0,
        period_start=NOON,
        period_end=NOON,
        currency="USD",
        subtotal=total,
        net=total,
        total=total,
        amount_due=total,
        status=status,
        issued_at=NOON,
        **zeros,
    )
