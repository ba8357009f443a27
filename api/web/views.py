"""From how a checkout stands to its page, in the customer's words, figures and days."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request, Response
from sqlalchemy.orm import Session

from api.web import pages
from api.web.methods import saved_options, test_options
from api.web.offers import Offer, offer_of, selling
from api.web.words import Words
from perennial import links
from perennial.db.models import Customer, PaymentMethod
from perennial.documents.shown import Row, Sum
from perennial.documents.view import view
from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.engine import checkout_submission, customers
from perennial.engine.checkout import Mode
from perennial.engine.checkout_standing import Standing, Step
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import CardSetup

# How often a page that waits looks again by itself, and how often at most for the answer of a bank.
REFRESH_SECONDS = 2
MOST_LOOKS = 15


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is read in one transaction. `refusal`: what is offered cannot be had any more."""

    customer: Customer
    offer: Offer | None
    methods: Sequence[PaymentMethod]
    merchant: str
    refusal: str | None = None


async def show(
    request: Request, engine: Engine, standing: Standing, *, secret: str, looks: int, notice: str | None
) -> Response:
    """The page of this step. `looks` counts how often it has waited for a bank, `notice` is the code of a refusal."""
    facts = await engine.read(lambda session: _facts(engine, session, standing))
    words = Words(facts.customer.locale)
    match standing.step:
        case Step.EXPIRED:
            return pages.message(request, words, "expired", HTTPStatus.GONE)
        case Step.GONE if standing.row.mode == Mode.INVOICE and standing.invoice:
            return pages.message(request, words, "void", HTTPStatus.GONE, number=standing.invoice.number or "")
        case Step.GONE:
            return pages.message(request, words, "ended", HTTPStatus.GONE)
        case _:
            return await _checkout(request, engine, standing, facts, words, secret, looks, notice or facts.refusal)


def _facts(engine: Engine, session: Session, standing: Standing) -> _Facts:
    row = standing.row
    customer = session.get_one(Customer, row.customer_id)
    methods = customers.attached(session, row.customer_id)
    merchant = selling(session).name
    try:
        return _Facts(customer, offer_of(engine, session, standing), methods, merchant)
    except (CommandRefused, InvalidInput) as refused:
        return _Facts(customer, None, methods, merchant, refused.code)


async def _checkout(
    request: Request,
    engine: Engine,
    standing: Standing,
    facts: _Facts,
    words: Words,
    secret: str,
    looks: int,
    notice: str | None,
) -> Response:
    row, offer, step = standing.row, facts.offer, standing.step
    here = f"{pages.root(engine.settings)}/checkout/{row.id}"
    simulated = isinstance(engine.gateways.find(row.gateway), SimulatorGateway)
    setup = await checkout_submission.begin_setup(engine, row) if step.takes_tries and not facts.refusal else None
    with_stripe = setup is not None and row.gateway == "stripe"
    waits_for_bank = step is Step.BANK and 0 < looks < MOST_LOOKS
    refresh = None
    if step is Step.WORKING:
        refresh = here
    elif waits_for_bank:
        refresh = f"{here}?looks={looks + 1}"
    # Where a method is added the old ones are of no use; after a decline none is marked: the customer chooses anew.
    held = facts.methods if row.mode != Mode.SETUP else ()
    chosen = None if standing.decline else row.payment_method_id
    saved = saved_options(words, held, chosen, engine.clock(), mark=not standing.decline)
    marked = any(option.checked for option in saved)
    return pages.page(
        request,
        "checkout.html",
        words,
        with_stripe=with_stripe,
        title=_title(row.mode, offer, words),
        merchant=facts.merchant,
        kind=step.value,
        step=step,
        here=here,
        row=row,
        secret=secret,
        summary=_summary(standing, offer, words),
        notice=words.refusal(notice) if notice and step.takes_tries else None,
        decline=words.decline(standing.decline) if row.tries and standing.decline else None,
        saved=saved,
        test_cards=test_options(words, checked=not (marked or standing.decline)) if simulated else (),
        stripe=_stripe(engine, setup, here) if with_stripe and setup else None,
        needs_method=row.mode != Mode.SUBSCRIPTION or offer is None or offer.needs_method,
        offered=facts.refusal is None,
        button=_button(row.mode, offer, words),
        fingerprint=offer.fingerprint if offer else "",
        done=_done(standing, offer, words),
        refresh=refresh,
        refresh_seconds=REFRESH_SECONDS,
        waits_for_bank=waits_for_bank,
    )


def _title(mode: str, offer: Offer | None, words: Words) -> str:
    match mode:
        case Mode.SUBSCRIPTION if offer and offer.plan:
            return words("subscribe_to", plan=offer.plan)
        case Mode.INVOICE if offer:
            return words("pay_invoice", number=offer.document.number)
        case Mode.SETUP:
            return words("add_method")
        case _:
            return words("how_to_pay")


@dataclass(frozen=True, slots=True)
class _Summary:
    """`label` and `amount` stand large; `notes` below say what comes after it; then what it is made of."""

    label: str
    amount: str
    notes: tuple[str, ...]
    rows: Sequence[Row]
    sums: Sequence[Sum]


def _summary(standing: Standing, offer: Offer | None, words: Words) -> _Summary:
    if offer is None:
        text = words("setup_text") if standing.row.mode == Mode.SETUP else ""
        return _Summary("", "", (text,) if text else (), (), ())
    document, shown = offer.document, view(offer.document)
    label = words("due_today")
    if standing.row.mode == Mode.INVOICE and document.due and standing.invoice and standing.invoice.due_at:
        label = words("due_on", date=words.day(document.due))
    notes = []
    if offer.trial_end:
        notes.append(words("free_until", date=words.day(offer.trial_end)))
    if offer.ahead:
        amount = words.format.money(offer.ahead.amount, document.currency)
        every = words.every(offer.ahead.interval)
        notes += [words("then", amount=amount, interval=every, date=words.day(offer.ahead.on)), words("renews")]
    if offer.net_days is not None:
        notes.append(words("invoice_follows", days=offer.net_days))
    if standing.invoice is not None and standing.step is Step.DONE:
        label = shown.headline.label
    amount = words.format.money(document.amount_due, document.currency)
    return _Summary(label, amount, tuple(notes), shown.rows, _sums(shown.sums) if shown.rows else ())


def _sums(sums: Sequence[Sum]) -> tuple[Sum, ...]:
    """Without the total where what is due says the same in the next line."""
    *above, total, last = (Sum("", ""), *sums)
    same = total.weight == "strong" and total.value == last.value
    return tuple(each for each in (*above, *(() if same else (total,)), last) if each.label)


def _button(mode: str, offer: Offer | None, words: Words) -> str:
    if mode == Mode.SETUP or offer is None:
        return words("save")
    if offer.trial_end:
        return words("start_trial")
    if offer.net_days is not None or not offer.document.amount_due:
        return words("subscribe")
    return words("pay", amount=words.format.money(offer.document.amount_due, offer.document.currency))


def _done(standing: Standing, offer: Offer | None, words: Words) -> tuple[str, tuple[str, ...]] | None:
    """Title and sentences of the page that says that all is well."""
    if standing.step is not Step.DONE:
        return None
    row, document = standing.row, offer.document if offer else None
    if row.mode == Mode.SETUP or document is None:
        return words("done_title"), (words("done_saved"),)
    paid = words("done_paid", amount=words.format.money(document.amount_due, document.currency))
    if row.mode == Mode.INVOICE:
        if row.tries:
            return words("done_title"), (paid,)
        return words("already_paid_title"), (words("already_paid_text", number=document.number),)
    began = words("done_trial" if offer and offer.trial_end else "done_subscribed", plan=offer.plan if offer else "")
    has_paid = document.amount_due and standing.invoice and standing.invoice.status == "paid"
    return words("done_title"), (began, paid) if has_paid else (began,)


def _stripe(engine: Engine, setup: CardSetup, here: str) -> dict[str, str]:
    """What Stripe's form in the browser is told. The key is the public one."""
    return {
        "key": engine.settings.stripe_publishable_key or "",
        "client_secret": setup.client_secret,
        "return_url": f"{links.public_url(engine.settings)}{here.removeprefix(pages.root(engine.settings))}",
    }
