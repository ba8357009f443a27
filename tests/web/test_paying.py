"""Links of mails and the checkout of an invoice: one live attempt at it, whatever else falls due or is clicked."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event

from perennial import links
from perennial.config import Settings
from perennial.engine import gifts
from perennial.engine.checkout_standing import Step, look
from perennial.engine.checkout_submission import ask_again
from tests.api.asking import Api
from tests.support.log_lines import logged
from tests.support.stage import Stage, eventually
from tests.web.shopping import HERE, Page, Shopper
from tests.web.test_checkout import ASKS, MASTERCARD, POOR, VISA, charged, checkout

EMPTY = "pm_card_declines_charges_2_to_99"
ASKS_ONCE = "new:pm_card_threeDSecureOnce"


async def owing(stage: Stage, card: str = EMPTY) -> tuple[str, str, str]:
    """A clock, a subscription on it whose second month was declined, and the open invoice."""
    clock = await stage.clock("2026-04-01 09:00")
    sub = await stage.subscribe(clock, card=card)
    await stage.advance(clock, "2026-05-01 10:00")
    assert (await stage.view(sub)).status == "past_due"
    [[invoice]] = await stage.rows("SELECT id FROM invoices WHERE subscription_id = :id AND status = 'open'", id=sub)
    return clock, sub, str(invoice)


def link(settings: Settings, invoice: str) -> str:
    return links.pay_url(settings, invoice).replace(links.public_url(settings), HERE)


async def at_bank(shopper: Shopper, place: str) -> tuple[Page, str]:
    """The page that waits for the bank, and what says yes there; the bank's page is open."""
    await shopper.open(place)
    waiting = await shopper.send(ASKS)
    bank = await shopper.go_to_bank()
    return waiting, next(action for action in bank.actions if "outcome=pass" in action)


async def test_the_link_of_a_mail_pays_its_invoice(shopper: Shopper, stage: Stage) -> None:
    _, sub, invoice = await owing(stage)
    page = await shopper.open(link(stage.engine.settings, invoice))
    assert "Pay $9.00" in page.text
    assert "ada@example.com" not in page.text
    assert stage.owners[sub] not in str(page.answer.url)
    page = await shopper.send(VISA)
    assert "$9.00 has been paid." in page.text
    assert (await stage.view(sub)).status == "active"
    await stage.once_each(sub)
    page = await shopper.open(link(stage.engine.settings, invoice))
    assert page.status == 200
    assert "This invoice is paid" in page.text


async def test_a_link_opens_one_session_as_long_as_that_is_open(api: Api, shopper: Shopper, stage: Stage) -> None:
    _, _, invoice = await owing(stage)
    for _ in range(3):
        await shopper.open(link(stage.engine.settings, invoice))
    sessions = (await api.get("/v1/checkout-sessions", invoice_id=invoice)).json()["data"]
    assert len(sessions) == 1
    await api.post(f"/v1/checkout-sessions/{sessions[0]['id']}/expire")
    await shopper.open(link(stage.engine.settings, invoice))
    assert len((await api.get("/v1/checkout-sessions", invoice_id=invoice)).json()["data"]) == 2


async def test_no_log_holds_what_opens_a_checkout(shopper: Shopper, stage: Stage) -> None:
    _, _, invoice = await owing(stage)
    url = link(stage.engine.settings, invoice)
    with logged() as lines:
        first = await shopper.browser.get(url)
        await shopper.open(f"{HERE}{first.headers['location']}")
        await shopper.send(VISA)
    told = str(lines())
    assert f"/pay/{invoice}/..." in told
    assert url.rpartition("/")[2] not in told
    assert shopper.browser.cookies[f"checkout_{str(shopper.page.answer.url).rpartition('/')[2]}"] not in told


@pytest.mark.parametrize("wrong", ["", "x", "A" * 32, "ü"])
async def test_a_wrong_token_opens_nothing(wrong: str, shopper: Shopper, stage: Stage) -> None:
    _, _, invoice = await owing(stage)
    page = await shopper.open(f"{HERE}/pay/{invoice}/{wrong}")
    assert page.status == 404
    assert "$9.00" not in page.text


async def test_retries_wait_while_the_customer_is_at_their_bank(shopper: Shopper, stage: Stage) -> None:
    """All four retries fall due meanwhile: none is made, and the customer's answer is the one payment."""
    clock, sub, invoice = await owing(stage)
    await shopper.open(link(stage.engine.settings, invoice))
    await shopper.send(ASKS)
    await shopper.go_to_bank()
    before = await _attempts(stage, invoice)
    await stage.advance(clock, "2026-05-15 08:00")
    assert await _attempts(stage, invoice) == before
    page = await shopper.answer_bank()
    assert "$9.00 has been paid." in page.text
    assert (await stage.view(sub)).status == "active"
    assert len(await stage.captures(sub)) == 2
    await stage.once_each(sub)


async def test_a_bank_that_was_answered_and_has_told_nobody_is_asked_when_the_customer_looks_for_it(
    shopper: Shopper, stage: Stage
) -> None:
    """Its webhook is lost, and the way back to us was closed: what the bank has said is true all the same."""
    _, sub, invoice = await owing(stage)
    before, yes = await at_bank(shopper, link(stage.engine.settings, invoice))
    await shopper.browser.post(yes, follow_redirects=False)
    shopper.turn_to(before)
    await shopper.go_to_bank()
    assert "$9.00 has been paid." in (await shopper.wait()).text
    assert (await stage.view(sub)).status == "active"
    await stage.once_each(sub)


async def test_a_payment_that_arrives_in_the_middle_of_a_look_is_not_asked_for_again(
    shopper: Shopper, stage: Stage
) -> None:
    """The invoice is read just before it is paid, and whatever is read after that statement just after it."""
    _, sub, invoice = await owing(stage)
    waiting, yes = await at_bank(shopper, link(stage.engine.settings, invoice))
    standing = await look(stage.engine, waiting.actions[0].rpartition("/")[2])
    assert standing.step is Step.BANK
    loop = asyncio.get_running_loop()

    async def pay() -> None:
        await shopper.browser.post(yes, follow_redirects=False)
        await ask_again(stage.engine, standing)

        async def is_paid() -> bool:
            return (await stage.view(sub)).status == "active"

        await eventually(is_paid)

    looks: list[str] = []

    def in_the_middle(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM invoices" in statement and not looks:
            looks.append(statement)
            asyncio.run_coroutine_threadsafe(pay(), loop).result()

    event.listen(stage.engine.db, "after_cursor_execute", in_the_middle)
    seen = await look(stage.engine, standing.row.id)
    event.remove(stage.engine.db, "after_cursor_execute", in_the_middle)
    assert looks
    assert (await stage.view(sub)).status == "active"
    assert seen.step is Step.BANK
    assert (await look(stage.engine, standing.row.id)).step is Step.DONE


async def test_the_end_of_dunning_withdraws_what_waits_at_the_bank(shopper: Shopper, stage: Stage) -> None:
    """It gives the invoice up only when the attempt can take no money any more: the late answer comes to nothing."""
    clock, sub, invoice = await owing(stage)
    await shopper.open(link(stage.engine.settings, invoice))
    await shopper.send(ASKS)
    await shopper.go_to_bank()
    await stage.advance(clock, "2026-05-16 12:00")
    assert (await stage.view(sub)).status == "canceled"
    page = await shopper.answer_bank()
    assert page.status == 410
    assert "Nothing is owed for it." in page.text
    assert len(await stage.captures(sub)) == 1
    await stage.once_each(sub)


async def test_a_retry_that_pays_first_leaves_the_open_page_nothing_to_charge(shopper: Shopper, stage: Stage) -> None:
    clock, sub, invoice = await owing(stage, card="pm_card_declines_charges_2_to_2")
    before = await shopper.open(link(stage.engine.settings, invoice))
    await stage.advance(clock, "2026-05-02 10:00")
    assert (await stage.view(sub)).status == "active"
    page = await shopper.send(VISA)
    assert page.status == 200
    assert "This invoice is paid" in page.text
    again = await shopper.open(before.actions[0])
    assert "This invoice is paid" in again.text
    assert len(await stage.captures(sub)) == 2
    await stage.once_each(sub)


async def test_two_windows_at_two_banks_pay_once(api: Api, shopper: Shopper, stage: Stage) -> None:
    """The second attempt withdraws the first, whose bank says yes too late."""
    _, sub, invoice = await owing(stage)
    banks = []
    for card in (ASKS, ASKS_ONCE):
        await shopper.open((await checkout(api, mode="invoice", invoice_id=invoice))["url"])
        if banks:
            assert "Please confirm with your bank" in shopper.page.text
        await shopper.send(card)
        banks.append(await shopper.go_to_bank())
    for bank in banks:
        await shopper.turn_to(bank).answer_bank()
    assert "$9.00 has been paid." in shopper.page.text
    assert (await stage.view(sub)).status == "active"
    assert len(await stage.captures(sub)) == 2
    await stage.once_each(sub)


async def test_what_was_voided_cannot_be_paid(api: Api, shopper: Shopper, stage: Stage) -> None:
    _, _, invoice = await owing(stage)
    opened = await shopper.open(link(stage.engine.settings, invoice))
    assert (await api.post(f"/v1/invoices/{invoice}/void")).status_code == 200
    for url in (link(stage.engine.settings, invoice), str(opened.answer.url)):
        assert "Nothing is owed for it." in (await shopper.open(url)).text


async def test_a_one_off_invoice_is_paid_by_its_own_workflow(api: Api, shopper: Shopper, stage: Stage) -> None:
    customer = await api.customer("pm_card_visa")
    line = {"description": "Consulting", "amount": 12_000}
    body = {"customer_id": customer["id"], "currency": "USD", "collect": "send", "lines": [line]}
    draft = (await api.post("/v1/invoices", body)).json()
    invoice = (await api.post(f"/v1/invoices/{draft['id']}/finalize")).json()
    page = await shopper.open(link(stage.engine.settings, invoice["id"]))
    assert "Consulting" in page.text
    assert "There was not enough money" in (await shopper.send(POOR)).text
    assert "$120.00 has been paid." in (await shopper.send(MASTERCARD)).text
    assert (await api.get(f"/v1/invoices/{invoice['id']}")).json()["status"] == "paid"
    assert await charged(stage, customer["id"]) == 1


async def test_a_new_main_card_is_tried_at_once_for_what_the_customer_owes(
    api: Api, shopper: Shopper, stage: Stage
) -> None:
    _, sub, _ = await owing(stage)
    session = await checkout(api, mode="setup", customer_id=stage.owners[sub])
    page = await shopper.open(session["url"])
    assert "Nothing is charged now." in page.text
    page = await shopper.send(VISA, role="main")
    assert "Your payment method is saved." in page.text
    view = await stage.view(sub)
    assert view.status == "active"
    methods = (await api.get(f"/v1/customers/{stage.owners[sub]}/payment-methods")).json()["data"]
    assert [each["id"] for each in methods if each["is_default"]] == [view.payment_method_id]
    await stage.once_each(sub)


async def test_a_backup_card_is_kept_and_tries_nothing(api: Api, shopper: Shopper, stage: Stage) -> None:
    _, sub, invoice = await owing(stage)
    before = await _attempts(stage, invoice)
    session = await checkout(api, mode="setup", customer_id=stage.owners[sub])
    await shopper.open(session["url"])
    await shopper.send(VISA, role="backup")
    methods = (await api.get(f"/v1/customers/{stage.owners[sub]}/payment-methods")).json()["data"]
    assert [each["is_backup"] for each in methods] == [False, True]
    assert await _attempts(stage, invoice) == before


async def _attempts(stage: Stage, invoice: str) -> list[Any]:
    return await stage.rows("SELECT n, status FROM payment_attempts WHERE invoice_id = :id ORDER BY n", id=invoice)


async def test_a_gift_that_waits_for_the_bank_is_paid_there_and_with_no_other_card(
    api: Api, shopper: Shopper, stage: Stage
) -> None:
    """Its purchase is one payment: the page leads to the bank of the card that it was ordered with."""
    giver = await stage.customer("pm_card_threeDSecureOnce")
    order = gifts.NewGift(
        giver_id=giver,
        recipient_name="Mary",
        recipient_email="mary@example.com",
        plan="basic-monthly",
        currency="USD",
        periods=1,
    )
    buying = asyncio.create_task(gifts.buy(stage.engine, order))

    async def issued() -> list[Any]:
        return await stage.rows(
            "SELECT i.id FROM invoices i JOIN payment_attempts a ON a.invoice_id = i.id "
            "WHERE i.customer_id = :id AND a.status = 'requires_action'",
            id=giver,
        )

    [[invoice]] = await eventually(issued)
    session = await checkout(api, mode="invoice", invoice_id=str(invoice))
    page = await shopper.open(session["url"])
    assert "Please confirm with your bank" in page.text
    assert "This gift can only be paid with the card" in (await shopper.send(VISA)).text
    await shopper.go_to_bank()
    assert "$9.00 has been paid." in (await shopper.answer_bank()).text
    assert (await buying).status in ("scheduled", "delivered")
    assert await charged(stage, giver) == 1
