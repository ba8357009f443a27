"""Every check passes on a population that has lived through a bit of everything, and finds what is planted."""

import pytest
from sqlalchemy import text

from perennial.checks import CHECKS, CheckResult, Finding, run_checks
from perennial.checks.result import SHOWN
from perennial.checks.slices import slice_after
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine
from perennial.ports import ChargeRequest
from tests.integration.planted.books import BOOKS
from tests.integration.planted.disputes import DISPUTES
from tests.integration.planted.model import COPY_ATTEMPT, FIRST_ATTEMPT, PAID, Defect
from tests.integration.planted.payments import PAYMENTS
from tests.integration.planted.service import SERVICE
from tests.integration.planted.usage import USAGE
from tests.integration.world import World

DEFECTS = (*BOOKS, *SERVICE, *PAYMENTS, *DISPUTES, *USAGE)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.checks.result._BETWEEN_LOOKS_SECONDS", 0.02)


async def look(engine: Engine, name: str) -> CheckResult:
    (result,) = await run_checks(engine, [name])
    return result


async def look_in_slices(engine: Engine, name: str) -> set[Finding]:
    """What the check finds when it looks at three subjects at a time."""
    [check] = [check for check in CHECKS if check.name == name]
    found: set[Finding] = set()
    after: str | None = None
    while True:
        part = await engine.read(lambda session, after=after: slice_after(session, check.cut, after, 3))
        found |= set((await check.look(engine, part)).findings)
        after = part.until
        if after is None:
            return found


def spoil(engine: Engine, *statements: str, **values: object) -> None:
    """Past the triggers that refuse it."""
    with engine.db.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            changed = connection.execute(text(statement), values)
            assert changed.rowcount != 0, f"nothing was spoiled by {statement}"


async def test_all_checks_pass_on_a_healthy_population(copy: Engine, healthy: World) -> None:
    results = await run_checks(copy)

    assert [result for result in results if not result.ok] == []
    assert [result.name for result in results] == [check.name for check in CHECKS]
    figures = {key: value for result in results for key, value in result.figures.items()}
    assert figures["renewals_due"] > 30
    assert figures["missed_renewals"] == figures["duplicate_charges"] == 0


@pytest.mark.parametrize("defect", DEFECTS, ids=[f"{defect.check}: {defect.name}" for defect in DEFECTS])
async def test_a_planted_defect_is_found(defect: Defect, copy: Engine, healthy: World) -> None:
    spoil(copy, *defect.statements, **healthy.named)

    result = await look(copy, defect.check)

    assert not result.ok
    assert result.findings
    assert any(defect.problem in finding.problem for finding in result.findings), result.findings
    if len(result.findings) < SHOWN:
        assert await look_in_slices(copy, defect.check) == set(result.findings)


def test_no_check_is_without_a_planted_defect() -> None:
    assert {defect.check for defect in DEFECTS} == {check.name for check in CHECKS}


async def test_slices_cover_what_no_row_names(copy: Engine, healthy: World) -> None:
    """The last slice has no end."""
    spoil(copy, "UPDATE ledger_transactions SET subject_id = 'zzz' WHERE id = (SELECT max(transaction_id) FROM "
                "ledger_entries WHERE account = 'receivable')")  # fmt: skip
    assert "zzz" in {finding.subject for finding in await look_in_slices(copy, "receivable_equals_open_invoices")}


async def test_missed_renewals_are_counted(copy: Engine, healthy: World) -> None:
    before = await look(copy, "renewals_on_time")
    spoil(copy, "UPDATE test_clocks SET now = now + interval '92 days'")

    after = await look(copy, "renewals_on_time")

    assert before.figures["missed_renewals"] == 0
    # Three months of the two monthly ones and thirteen weeks of the two weekly ones.
    assert after.figures["missed_renewals"] == after.figures["renewals_due"] - before.figures["renewals_due"] > 20


def charge(copy: Engine, key: str) -> ChargeRequest:
    return ChargeRequest(key=key, amount=900, currency="USD", token="pm_card_visa", customer_reference="cus_x")


def some_invoice(copy: Engine) -> str:
    with copy.db.connect() as connection:
        return str(connection.execute(text(f"SELECT key FROM invoices WHERE id = {PAID}")).scalar_one())  # noqa: S608 - our own


async def test_a_second_capture_at_the_gateway_is_found(copy: Engine, healthy: World) -> None:
    """Although no row of ours knows of it."""
    copy.gateway.charge(charge(copy, f"charge:{some_invoice(copy)}:77"))

    result = await look(copy, "invoices_paid_once")

    assert [finding.problem.partition(":")[0] for finding in result.findings] == ["captured 2 times"]
    assert result.figures["duplicate_charges"] == 1
    agreement = await look(copy, "gateway_agrees")
    assert "we do not know the charge" in agreement.findings[0].problem


async def test_a_capture_whose_answer_is_under_way_is_no_disagreement(copy: Engine, healthy: World) -> None:
    """The attempt is written down before the gateway is asked, so the gateway may be ahead for a moment."""
    spoil(copy, COPY_ATTEMPT.format(more=0, status="pending") + FIRST_ATTEMPT, **healthy.named)
    with copy.db.connect() as connection:
        key = connection.execute(text("SELECT key FROM payment_attempts WHERE id = 'pay_planted'")).scalar_one()
    copy.gateway.charge(charge(copy, key))

    assert (await look(copy, "gateway_agrees")).ok


async def test_many_findings_are_counted_and_the_first_named(copy: Engine, healthy: World) -> None:
    spoil(copy, "UPDATE ledger_entries SET amount = amount + 1 WHERE position = 0")

    result = await look(copy, "books_balance")

    assert len(result.findings) == 20
    assert int(result.detail.rpartition(": ")[2].split()[0]) > 50


async def test_an_unknown_check_is_refused(copy: Engine, healthy: World) -> None:
    with pytest.raises(NotFound, match="no check 'nonsense'"):
        await run_checks(copy, ["nonsense"])
