"""Every check, in the order in which they are told."""

from collections.abc import Sequence

from perennial.checks import books, disputes, documents, gateway, renewals, revenue, slices, spans, usage, workflows
from perennial.checks.result import EVERYTHING, SHOWN, Check, CheckResult, Outcome, in_database, lasting
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine

CHECKS: tuple[Check, ...] = (
    Check(
        "books_balance",
        "every transaction and the whole ledger sum to nought",
        in_database(books.books_balance),
        slices.TRANSACTIONS,
    ),
    Check(
        "credit_equals_ledger",
        "customers' credit balances are those of the ledger",
        in_database(books.credit_equals_ledger),
        slices.CUSTOMERS,
    ),
    Check(
        "receivable_equals_open_invoices",
        "what we are owed is what the open invoices say",
        in_database(books.receivable_equals_open_invoices),
        slices.DOCUMENTS,
    ),
    Check(
        "refunds_payable_equals_pending",
        "what is promised back is what is on its way",
        in_database(books.refunds_payable_equals_pending),
        slices.DOCUMENTS,
    ),
    Check(
        "tax_payable_equals_documents",
        "the tax in the books is the tax on the documents",
        in_database(revenue.tax_payable_equals_documents),
        slices.DOCUMENTS,
    ),
    Check(
        "deferred_equals_schedule",
        "what is deferred lay ahead, what is earned was served",
        in_database(revenue.deferred_equals_schedule),
        slices.DOCUMENTS,
    ),
    Check(
        "invoices_add_up",
        "the lines of every invoice sum to its totals",
        in_database(books.invoices_add_up),
        slices.DOCUMENTS,
    ),
    Check(
        "numbers_have_no_gap",
        "invoice and credit note numbers have no gap",
        in_database(documents.numbers_have_no_gap),
    ),
    Check(
        "rows_match_workflows",
        "every live row has its running workflow, and the other way round",
        lasting(workflows.rows_match_workflows),
        slices.RUNNING,
    ),
    Check("spans_tile", "the spans of service tile each life", in_database(spans.spans_tile), slices.SUBSCRIPTIONS),
    Check(
        "periods_are_billed_once",
        "every paid period has exactly its invoice, no other has one",
        in_database(spans.periods_are_billed_once),
        slices.SUBSCRIPTIONS,
    ),
    Check(
        "usage_is_billed_once",
        "what was billed of usage stands on invoices, no time of it twice",
        in_database(usage.usage_is_billed_once),
        slices.SUBSCRIPTIONS,
    ),
    Check(
        "renewals_on_time",
        "no renewal is missed or early, by the calendar",
        in_database(renewals.renewals_on_time),
        slices.SUBSCRIPTIONS,
    ),
    Check(
        "invoices_paid_once",
        "no invoice is paid twice, by the gateway's books too",
        gateway.invoices_paid_once,
        slices.INVOICES,
    ),
    Check(
        "reconciliation_finds_nothing",
        "no finding of the reconciliation with the gateways is open",
        in_database(gateway.reconciliation_finds_nothing),
    ),
    Check("gateway_agrees", "the gateway's books and ours agree", lasting(gateway.gateway_agrees)),
    Check(
        "disputes_equal_ledger",
        "what is disputed or lost is in the books, and was not refunded too",
        in_database(disputes.disputes_equal_ledger),
    ),
    Check("disputes_agree", "the bank has what we book as disputed", lasting(disputes.disputes_agree)),
    Check("no_payment_hangs", "no payment or refund is pending for long", in_database(documents.no_payment_hangs)),
    Check(
        "messages_are_delivered",
        "no message waits in the outbox for long",
        in_database(documents.messages_are_delivered),
    ),
)


async def run_checks(engine: Engine, only: Sequence[str] | None = None) -> list[CheckResult]:
    """Run all checks, or those named, one after the other.

    Raises:
        NotFound: `only` names a check that there is not.
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    known = {check.name: check for check in CHECKS}
    for name in only or ():
        if name not in known:
            raise NotFound("check", name)
    chosen = [check for check in CHECKS if only is None or check.name in only]
    return [_result(check, await check.look(engine, EVERYTHING)) for check in chosen]


def _result(check: Check, seen: Outcome) -> CheckResult:
    ok = seen.count == 0
    detail = f"{seen.seen}: {'fine' if ok else f'{seen.count} wrong'}"
    return CheckResult(check.name, ok, detail, seen.findings[:SHOWN], seen.figures)
