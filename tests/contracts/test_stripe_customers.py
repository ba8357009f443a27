"""Customers and cards at Stripe: one customer for each of ours, each card charged through the one it belongs to."""

from uuid import uuid4

import pytest

from perennial.gateways.stripe import StripeGateway
from perennial.ports import ChargeRequest, ChargeStatus, RedirectsToBank, SetsUpCards, UnknownToken
from tests.support.stripe.server import StandIn
from tests.support.stripe.world import ASKS_FOR_3DS, new_card


def ask(token: str, customer: str, amount: int = 1999) -> ChargeRequest:
    return ChargeRequest(f"charge:{uuid4()}:1", amount, "USD", token, customer)


def test_two_cards_and_a_set_up_share_one_customer(stripe: StripeGateway, stand: StandIn) -> None:
    customer = f"cus_{uuid4()}"
    before = len(stand.calls("PostCustomers"))
    for _ in range(2):
        assert stripe.charge(ask(new_card(stand), customer)).status is ChargeStatus.SUCCEEDED
    setup = stripe.create_setup(customer)
    assert setup.client_secret.startswith(setup.gateway_ref)
    assert len(stand.calls("PostCustomers")) == before + 1


def test_a_card_is_attached_once(stripe: StripeGateway, stand: StandIn) -> None:
    token, customer = new_card(stand), f"cus_{uuid4()}"
    before = len(stand.calls("PostPaymentMethodsPaymentMethodAttach"))
    for _ in range(3):
        stripe.charge(ask(token, customer))
    assert len(stand.calls("PostPaymentMethodsPaymentMethodAttach")) == before + 1


def test_a_card_of_one_customer_is_not_charged_for_another(stripe: StripeGateway, stand: StandIn) -> None:
    token = new_card(stand)
    stripe.charge(ask(token, f"cus_{uuid4()}"))
    with pytest.raises(UnknownToken):
        stripe.charge(ask(token, f"cus_{uuid4()}"))


def test_a_card_that_comes_with_its_stripe_customer_is_charged_through_it(
    stripe: StripeGateway, stand: StandIn
) -> None:
    token, theirs = new_card(stand), stand.make_customer()
    stand.attach(token, theirs)
    paid = stripe.charge(ask(token, f"cus_{uuid4()}"))
    assert paid.status is ChargeStatus.SUCCEEDED
    assert stand.intent(paid.gateway_ref)["customer"] == theirs


def test_a_set_up_card_is_charged_through_the_customer_that_was_made_for_it(
    stripe: StripeGateway, stand: StandIn
) -> None:
    customer, token = f"cus_{uuid4()}", new_card(stand)
    stripe.create_setup(customer)
    stand.attach(token, stand.last_customer())
    before = len(stand.calls("PostCustomers"))
    assert stripe.charge(ask(token, customer)).status is ChargeStatus.SUCCEEDED
    other = ask(new_card(stand), f"cus_{uuid4()}")
    stand.attach(other.token, stand.last_customer())
    with pytest.raises(UnknownToken):
        stripe.charge(other)
    assert len(stand.calls("PostCustomers")) == before


def test_a_customer_that_was_deleted_at_stripe_gets_a_new_one_with_the_next_card(
    stripe: StripeGateway, stand: StandIn
) -> None:
    customer, token = f"cus_{uuid4()}", new_card(stand)
    stripe.charge(ask(token, customer))
    stand.delete_customer(stand.last_customer())
    with pytest.raises(UnknownToken):
        stripe.charge(ask(token, customer))
    assert stripe.charge(ask(new_card(stand), customer)).status is ChargeStatus.SUCCEEDED


def test_an_amount_below_what_stripe_charges_is_a_decline(stripe: StripeGateway, stand: StandIn) -> None:
    request = ask(new_card(stand), f"cus_{uuid4()}", amount=49)
    declined = stripe.charge(request)
    assert (declined.status, declined.decline_code) == (ChargeStatus.DECLINED, "invalid_amount")
    assert stripe.find_charge(request.key) == declined
    assert stripe.cancel_charge(request.key) == declined


def test_the_bank_is_asked_when_the_customer_comes(stripe: StripeGateway, stand: StandIn) -> None:
    assert isinstance(stripe, RedirectsToBank)
    assert isinstance(stripe, SetsUpCards)
    asked = stripe.charge(ask(new_card(stand, ASKS_FOR_3DS), f"cus_{uuid4()}"))
    assert asked.action_url == f"/stripe/authenticate/{asked.gateway_ref}"
    url = stripe.authentication_url(asked.gateway_ref, "https://shop.example/back")
    assert url == f"https://bank.example/3ds/{asked.gateway_ref}"
    assert stripe.authentication_url(asked.gateway_ref, "https://shop.example/back") == url
    stand.manners.authenticate(asked.gateway_ref, success=True)
    assert stripe.authentication_url(asked.gateway_ref, "https://shop.example/back") is None


def test_an_on_session_charge_that_asks_for_the_customer(stripe: StripeGateway, stand: StandIn) -> None:
    token, customer = new_card(stand, ASKS_FOR_3DS), f"cus_{uuid4()}"
    request = ChargeRequest(f"charge:{uuid4()}:1", 1999, "USD", token, customer, off_session=False)
    asked = stripe.charge(request)
    assert asked.status is ChargeStatus.REQUIRES_ACTION
    assert stripe.find_charge(request.key) == asked


def test_a_set_up_is_found_again_and_names_the_card_that_was_given(stripe: StripeGateway, stand: StandIn) -> None:
    customer, token = f"cus_{uuid4()}", new_card(stand)
    setup = stripe.create_setup(customer)
    assert stripe.find_setup(setup.gateway_ref) == setup
    stand.give_card(setup.gateway_ref, setup.client_secret, token)
    found = stripe.find_setup(setup.gateway_ref)
    assert found is not None
    assert found.token == token
    assert stripe.charge(ask(token, customer)).status is ChargeStatus.SUCCEEDED


def test_a_set_up_that_is_canceled_or_unknown_is_none(stripe: StripeGateway, stand: StandIn) -> None:
    setup = stripe.create_setup(f"cus_{uuid4()}")
    stand.cancel_set_up(setup.gateway_ref)
    assert stripe.find_setup(setup.gateway_ref) is None
    assert stripe.find_setup("seti_nobody") is None
