"""`perennial invoices create | add-line | finalize | pay | void | ...`: drafts, and what people do with invoices."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.cli import invoice_view, output
from perennial.cli.options import Currency, Json, RequestId, instant_option
from perennial.cli.session import note, run, unusable
from perennial.db.models import CreditNote, Invoice
from perennial.domain.calendar import Period
from perennial.domain.drafts import CollectBy, DraftLine
from perennial.domain.money import Money
from perennial.domain.subscription.effects import CreditedPart
from perennial.engine import credit_notes, drafts, invoices, one_off
from perennial.engine.context import Engine
from perennial.engine.credit_notes import CreditPreview, CreditReason, NewCreditNote
from perennial.engine.drafts import DraftView, NewDraft
from perennial.engine.ids import new_id
from perennial.engine.invoices import Request

ACTOR = "cli"
Subject = Annotated[str, typer.Argument(metavar="INVOICE", help="inv_... or its number")]
Work = Callable[[Engine, str], Awaitable[bool]]


def register(app: typer.Typer) -> None:
    """Puts the commands into `perennial invoices`."""
    for command in (create, delete, finalize, pay, void, credit):
        app.command()(command)
    app.command("add-line")(add_line)
    app.command("record-payment")(record_payment)
    app.command("write-off")(write_off)


# --- drafts ----------------------------------------------------------------------------------------------------------


def create(
    customer: Annotated[str, typer.Argument(help="cus_...")],
    currency: Currency = "USD",
    collect: Annotated[
        CollectBy | None, typer.Option(help="Charge the card, or send it (default: as the customer's terms say).")
    ] = None,
    net_days: Annotated[int | None, typer.Option(min=0, max=365, help="Days to pay it, if it is sent.")] = None,
    memo: Annotated[str | None, typer.Option(help="Stands on the invoice.")] = None,
    payment_method: Annotated[str | None, typer.Option(help="Default: the customer's.", metavar="PM")] = None,
    clock: Annotated[str | None, typer.Option(help="Live on this test clock.")] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """A draft of a one-off invoice; `add-line`, then `finalize`."""
    new = NewDraft(
        customer_id=customer,
        currency=currency.upper(),
        memo=memo,
        collect=collect,
        net_days=net_days,
        payment_method_id=payment_method,
        test_clock_id=clock,
        id=new_id("inv", request_id) if request_id else None,
    )

    async def work(engine: Engine) -> invoice_view.Whole | DraftView:
        made = await drafts.create(engine, new)
        return await _load(engine, made.id)

    invoice_view.show(run(work), as_json=as_json)


def add_line(
    draft: Annotated[str, typer.Argument(metavar="DRAFT", help="inv_...")],
    description: Annotated[str, typer.Argument(help="What it is for.")],
    unit_price: Annotated[str | None, typer.Option(help="In major units, for example 49.00.", metavar="PRICE")] = None,
    quantity: Annotated[str, typer.Option(help="How many; fractions too.", metavar="N")] = "1",
    amount: Annotated[
        int | None, typer.Option(min=0, help="For all of it, in minor units, in place of a price.", metavar="MINOR")
    ] = None,
    start: Annotated[datetime | None, instant_option("Service begins (with --to: earned over that time).")] = None,
    to: Annotated[datetime | None, instant_option("Service ends.")] = None,
    tax_inclusive: Annotated[bool, typer.Option("--tax-inclusive", help="The price holds its tax.")] = False,
    as_json: Json = False,
) -> None:
    """One more line on a draft."""
    if (start is None) != (to is None):
        unusable("--start goes with --to")

    async def work(engine: Engine) -> invoice_view.Whole | DraftView:
        line = DraftLine(
            description=description,
            quantity=_decimal(quantity, "--quantity"),
            unit_price=None if unit_price is None else _decimal(unit_price, "--unit-price"),
            amount=amount,
            period=Period(start, to) if start and to else None,
            tax_inclusive=tax_inclusive,
        )
        await drafts.add_line(engine, draft, line)
        return await _load(engine, draft)

    invoice_view.show(run(work), as_json=as_json)


def delete(draft: Annotated[str, typer.Argument(metavar="DRAFT", help="inv_...")], as_json: Json = False) -> None:
    """Throw a draft away."""
    run(lambda engine: drafts.delete(engine, draft))
    if as_json:
        output.print_json({"id": draft, "status": "deleted"})
    else:
        typer.echo(f"{draft}: deleted")


def finalize(draft: Annotated[str, typer.Argument(metavar="DRAFT", help="inv_...")], as_json: Json = False) -> None:
    """Issue a draft: it gets its number and is charged or sent."""
    _do(draft, one_off.finalise, as_json=as_json)


# --- invoices --------------------------------------------------------------------------------------------------------


def pay(
    invoice: Subject,
    payment_method: Annotated[
        str | None, typer.Option(help="A subscription keeps it from then on (default: as it is).", metavar="PM")
    ] = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Charge an open invoice now. A declined charge leaves it open."""
    _do(invoice, lambda engine, one: invoices.pay(engine, one, _request(request_id), payment_method), as_json=as_json)


def record_payment(
    invoice: Subject,
    reference: Annotated[str, typer.Argument(help="Finds the payment at the bank; kept in histories: no names.")],
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """An open invoice was paid in full past the gateways."""
    _do(
        invoice,
        lambda engine, one: invoices.record_payment(engine, one, reference, _request(request_id)),
        as_json=as_json,
    )


def void(invoice: Subject, request_id: RequestId = None, as_json: Json = False) -> None:
    """Take an open invoice back, as if it had never been owed."""
    _do(
        invoice,
        lambda engine, one: invoices.give_up(engine, one, _request(request_id), write_off=False),
        as_json=as_json,
    )


def write_off(invoice: Subject, request_id: RequestId = None, as_json: Json = False) -> None:
    """An open invoice will not be paid: a loss."""
    _do(
        invoice,
        lambda engine, one: invoices.give_up(engine, one, _request(request_id), write_off=True),
        as_json=as_json,
    )


def credit(
    invoice: Subject,
    amount: Annotated[
        int | None, typer.Option(min=1, help="Minor units as priced: a tax on top goes back too.", metavar="MINOR")
    ] = None,
    line: Annotated[
        list[str] | None, typer.Option(help="A line, or so much of it: 0, 1:250 (minor units).", metavar="N[:MINOR]")
    ] = None,
    to_balance: Annotated[
        bool, typer.Option("--to-balance", help="To the credit balance; else as it was paid.")
    ] = False,
    reason: Annotated[CreditReason, typer.Option(help="Why.")] = CreditReason.REQUESTED,
    memo: Annotated[str | None, typer.Option(help="Stands on the credit note.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what it would be; do nothing.")] = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Give back what was paid: all that is left, an amount, or lines."""
    parts = tuple(_part(text) for text in line or ())

    async def work(engine: Engine) -> CreditNote | CreditPreview | None:
        found = await engine.read(lambda session: _id(session, invoice))
        new = NewCreditNote(
            invoice_id=found, amount=amount, lines=parts, refund=not to_balance, reason=reason, memo=memo
        )
        if preview:
            return await credit_notes.preview(engine, new)
        made = await credit_notes.issue(engine, new, _request(request_id))
        return await engine.read(lambda session: session.get(CreditNote, made)) if made else None

    _show_credit(run(work), as_json=as_json)


def _show_credit(found: CreditNote | CreditPreview | None, *, as_json: bool) -> None:
    if found is None:
        note("Accepted and still being carried out; see `perennial invoices show`.")
    elif as_json:
        output.print_json(found)
    else:
        currency = found.currency if isinstance(found, CreditNote) else found.invoice.currency
        name = f"{found.number}  " if isinstance(found, CreditNote) else ""
        words = [str(Money(each, currency)) for each in (found.total, found.tax, found.refunded, found.credited)]
        typer.echo(f"{name}{words[0]} (tax {words[1]}): {words[2]} refunded, {words[3]} to the balance")


# --- shared ----------------------------------------------------------------------------------------------------------


def _do(invoice: str, work: Work, *, as_json: bool) -> None:
    """Do it, and show the invoice as it is afterwards."""

    async def all_of_it(engine: Engine) -> tuple[invoice_view.Whole | DraftView, bool]:
        found = await engine.read(lambda session: _id(session, invoice))
        done = await work(engine, found)
        return await _load(engine, found), done

    shown, done = run(all_of_it)
    invoice_view.show(shown, as_json=as_json)
    if not done:
        note("Accepted and still being carried out; see `perennial invoices show`.")


async def _load(engine: Engine, name: str) -> invoice_view.Whole | DraftView:
    return await engine.read(lambda session: invoice_view.load(engine, session, name))


def _id(session: Session, name: str) -> str:
    """A number stands for its invoice."""
    return session.scalar(select(Invoice.id).where(Invoice.number == name)) or name


def _request(name: str | None) -> Request:
    return Request(id=name or new_id("req"), actor=ACTOR)


def _decimal(text: str, option: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        unusable(f"{option}: {text!r} is no number; write 49.00")


def _part(text: str) -> CreditedPart:
    position, _, amount = text.partition(":")
    if not position.isdecimal() or (amount and not amount.isdecimal()):
        unusable(f"--line: {text!r} is no line; write 0 or 0:250")
    return CreditedPart(int(position), int(amount) if amount else None)
