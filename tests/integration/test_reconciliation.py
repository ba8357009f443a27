# ruff: noqa: S608 (the statements are our own)
"""The gateways' books against ours, page by page: what differs is found, named, and resolved when it is mended."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from perennial.checks import CHECKS, run_checks
from perennial.checks.tours import go_round, rounds, skip_round, turn_page
from perennial.checks.workflows import NO_WORKFLOW
from perennial.cli.main import run
from perennial.contracts.reconciliation import Place, Tour
from perennial.db.repositories import disputes
from perennial.db.repositories.disputes import News
from perennial.db.repositories.findings import Found
from perennial.domain.disputes import DisputeStatus
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.gateways.registry import build_gateway, prepare_gateway
from perennial.gateways.simulator import SIMULATORS, SimulatorGateway
from perennial.ports import ChargeRequest, GatewayPayment, Page, RefundRequest
from perennial.support.repairs import repair
from tests.integration.planted.model import COPY_ATTEMPT, FIRST_ATTEMPT
from tests.integration.test_checks import spoil
from tests.integration.world import World

# The pages of a large book, in small.
LIMIT = 2
_KEY = f"(SELECT key FROM payment_attempts WHERE id = {FIRST_ATTEMPT})"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.checks.result._BETWEEN_LOOKS_SECONDS", 0.02)


async def found(engine: Engine, tour: Tour = Tour.GATEWAYS, limit: int = LIMIT) -> list[Any]:
    """The open findings after a tour."""
    await go_round(engine, tour, limit)
    return rows(engine, "SELECT * FROM findings WHERE resolved_at IS NULL ORDER BY source, kind, subject")


def rows(engine: Engine, query: str, **values: Any) -> list[Any]:
    with engine.db.connect() as connection:
        return list(connection.execute(text(query), values))


def charge(engine: Engine, key: str, amount: int = 900, currency: str = "USD") -> str:
    request = ChargeRequest(key, amount, currency, "pm_card_visa", "cus_x")
    return engine.gateway.charge(request).gateway_ref


@dataclass(frozen=True)
class Planted:
    """`spoil` is done past all triggers; `mend` puts it right again."""

    kind: str
    words: str
    spoil: str
    mend: str
    source: str = "gateway:simulator"


PLANTED = (
    Planted(
        "amount_differs",
        "simulator captured 901, 900 are posted",
        f"UPDATE simulator.payments SET amount = amount + 1 WHERE key = {_KEY}",
        f"UPDATE simulator.payments SET amount = amount - 1 WHERE key = {_KEY}",
    ),
    Planted(
        "currency_differs",
        "simulator captured CHF, USD is posted",
        f"UPDATE simulator.payments SET currency = 'CHF' WHERE key = {_KEY}",
        f"UPDATE simulator.payments SET currency = 'USD' WHERE key = {_KEY}",
    ),
    Planted(
        "status_differs",
        "simulator captured 0, 900 are posted",
        f"UPDATE simulator.payments SET status = 'declined' WHERE key = {_KEY}",
        f"UPDATE simulator.payments SET status = 'succeeded' WHERE key = {_KEY}",
    ),
    Planted(
        "refund_differs",
        "simulator refunded 1, 0 are posted",
        f"UPDATE simulator.payments SET refunded = 1 WHERE key = {_KEY}",
        f"UPDATE simulator.payments SET refunded = 0 WHERE key = {_KEY}",
    ),
    Planted(
        "unknown_there",
        "900 USD are posted; simulator does not know it",
        f"UPDATE simulator.payments SET key = 'x-' || key WHERE key = {_KEY}",
        f"UPDATE simulator.payments SET key = substr(key, 3) WHERE key = 'x-' || {_KEY}",
        "ledger:simulator",
    ),
    Planted(
        "refund_unknown_here",
        "cash was posted for a refund that is not known",
        "UPDATE ledger_transactions SET key = key || '.x' WHERE id = (SELECT max(id) FROM ledger_transactions WHERE "
        "key LIKE 'payment:refund:%')",
        "UPDATE ledger_transactions SET key = replace(key, '.x', '') WHERE key LIKE 'payment:refund:%.x'",
        "ledger:simulator",
    ),
    Planted(
        "no_payment_hangs",
        "the attempt of invoice",
        COPY_ATTEMPT.format(more=0, status="pending") + FIRST_ATTEMPT,
        "DELETE FROM payment_attempts WHERE id = 'pay_planted'",
        "no_payment_hangs",
    ),
)


async def test_nothing_is_found_in_a_healthy_book_and_the_list_is_kept(copy: Engine, healthy: World) -> None:
    assert await found(copy) == []
    listed = len(rows(copy, "SELECT FROM simulator.payments WHERE amount > 0"))
    assert len(rows(copy, "SELECT FROM gateway_charges")) == listed > 3 * LIMIT
    [tour] = rows(copy, "SELECT * FROM tours")
    assert tour.name == "gateways"
    assert tour.began_at < tour.ended_at


@pytest.mark.parametrize("planted", PLANTED, ids=[each.kind for each in PLANTED])
async def test_what_differs_is_found_once_and_resolved_when_mended(
    planted: Planted, copy: Engine, healthy: World
) -> None:
    spoil(copy, planted.spoil, **healthy.named)

    [first] = [one for one in await found(copy) if one.kind == planted.kind]
    [again] = [one for one in await found(copy) if one.kind == planted.kind]

    assert first.source == planted.source
    assert planted.words in first.detail
    assert (again.id, again.first_seen) == (first.id, first.first_seen)
    assert again.last_seen > first.last_seen
    spoil(copy, planted.mend, **healthy.named)
    assert await found(copy) == []
    [gone] = rows(copy, "SELECT * FROM findings WHERE id = :id", id=first.id)
    assert gone.resolved_at > first.first_seen


async def test_a_charge_that_we_do_not_know_is_mended_by_giving_it_back(copy: Engine, healthy: World) -> None:
    ref = charge(copy, "charge:invoice:nobody:1")

    [finding] = await found(copy)
    assert (finding.kind, finding.subject) == ("unknown_here", "charge:invoice:nobody:1")
    assert finding.detail == "simulator captured 900 USD; we do not know the charge"
    copy.gateway.refund(RefundRequest("refund:by-hand", "charge:invoice:nobody:1", ref, 900, "USD"))
    assert await found(copy) == []


async def test_an_invoice_paid_twice_at_the_gateway_is_named(copy: Engine, healthy: World) -> None:
    [[key]] = rows(copy, f"SELECT {_KEY}", month_end=healthy.named["month_end"])
    charge(copy, f"{key.rpartition(':')[0]}:77")

    kinds = {finding.kind: finding.subject for finding in await found(copy)}

    assert kinds == {"captured_twice": key.split(":", 1)[1].rpartition(":")[0], "unknown_here": f"{key[:-1]}77"}


async def test_a_key_that_took_money_twice_is_named(copy: Engine, healthy: World) -> None:
    """A gateway's memory of keys has an end; its list then has two charges under one."""
    [[key]] = rows(copy, f"SELECT {_KEY}", month_end=healthy.named["month_end"])

    class Forgetful:
        """The list ends with a second capture of the first page's charge."""

        def __getattr__(self, name: str) -> Any:
            return getattr(copy.gateway, name)

        def payments(self, after: str | None, limit: int) -> Page[GatewayPayment]:
            page = copy.gateway.payments(after, limit)
            if page.next is not None:
                return page
            [known] = [each for each in _all(copy) if each.charge_key == key]
            return Page((*page.items, replace(known, gateway_ref="another")), None)

    doubled = replace(copy, gateways=Gateways(Forgetful()))
    assert [(one.kind, one.subject) for one in await found(doubled)] == [("key_captured_twice", key)]
    assert await found(copy) == []


def _all(engine: Engine) -> tuple[GatewayPayment, ...]:
    return engine.gateway.payments(None, 1000).items


async def test_every_gateway_has_its_rounds_and_two_may_not_both_take_it(copy: Engine, healthy: World) -> None:
    """A fail-over that should not have been: the first gateway had taken the money after all."""
    [[key]] = rows(copy, f"SELECT {_KEY}", **healthy.named)
    second = build_gateway(SIMULATORS[1], copy.settings, copy.db)
    prepare_gateway(second)
    second.charge(ChargeRequest(key, 900, "USD", "pm_card_visa", "cus_x"))
    both = replace(copy, gateways=Gateways(copy.gateway, second))

    told = {(one.source, one.kind) for one in await found(both)}

    assert told == {(f"gateway:{second.name}", "unknown_here"), (f"gateway:{second.name}", "captured_twice")}
    assert await found(copy) == [], "nobody looks any more at a gateway that is not enabled"


def test_the_command_line_looks_and_lists(
    copy: Engine, healthy: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copy, PLANTED[0].spoil, **healthy.named)
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(copy.settings.database_url))
    monkeypatch.setenv("PERENNIAL_TEMPORAL_ADDRESS", str(copy.settings.temporal_address))

    def cli(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run(arguments)
        return code, json.loads(capsys.readouterr().out)

    assert cli("findings", "list", "--json") == (0, {"data": [], "next": None})
    code, looked = cli("findings", "refresh", "--json")
    assert (code, [one["kind"] for one in looked["data"]]) == (1, ["amount_differs"])
    assert cli("findings", "list", "--source", "gateway:simulator", "--json")[1] == looked
    assert cli("findings", "list", "--source", "spans_tile", "--json")[1]["data"] == []
    code, checked = cli("check", "reconciliation_finds_nothing", "--json")
    assert code == 1
    assert looked["data"][0]["detail"] in checked["checks"][0]["findings"][0]["problem"]
    spoil(copy, PLANTED[0].mend, **healthy.named)
    assert cli("findings", "refresh", "gateways", "--json") == (0, {"data": [], "next": None})
    assert [one["status"] for one in cli("findings", "list", "--status", "all", "--json")[1]["data"]] == ["resolved"]


async def test_what_is_in_flight_is_no_finding(copy: Engine, healthy: World) -> None:
    """Captured a moment ago, and its answer is not written down yet: on a clock of its own and on the machine's."""
    spoil(copy, COPY_ATTEMPT.format(more=0, status="pending") + FIRST_ATTEMPT, **healthy.named)
    [[key]] = rows(copy, "SELECT key FROM payment_attempts WHERE id = 'pay_planted'")
    charge(copy, key)
    young = "UPDATE payment_attempts SET started_at = (SELECT max(now) FROM test_clocks) WHERE id = 'pay_planted'"
    spoil(copy, young)
    kinds = {finding.kind for finding in await found(copy)}
    assert kinds == {"captured_twice"}, "the attempt is young; that it is the second one is no matter of time"

    spoil(copy, young.replace("SET started_at = (", "SET started_at = -interval '1 day' + ("))
    kinds = {finding.kind for finding in await found(copy)}
    assert kinds == {"captured_twice", "status_differs", "no_payment_hangs"}


async def test_what_comes_back_begins_anew(copy: Engine, healthy: World) -> None:
    planted = PLANTED[0]
    named = {"month_end": healthy.named["month_end"]}
    spoil(copy, planted.spoil, **named)
    [first] = await found(copy)
    spoil(copy, planted.mend, **named)
    await found(copy)
    spoil(copy, planted.spoil, **named)

    [again] = await found(copy)

    assert again.id == first.id
    assert again.first_seen > first.last_seen


async def test_a_round_whose_gateway_is_away_resolves_nothing(copy: Engine, healthy: World) -> None:
    spoil(copy, PLANTED[0].spoil, month_end=healthy.named["month_end"])
    [before] = await found(copy)
    [ended] = rows(copy, "SELECT * FROM tours")

    place = await skip_round(copy, Place(Tour.GATEWAYS, began_at=copy.clock() + timedelta(seconds=1)))
    assert place is not None
    assert place.missed == ("gateway:simulator",)
    while place is not None:
        missed, place = place.missed, await turn_page(copy, place)

    assert missed == ("gateway:simulator", "ledger:simulator"), "what we posted cannot be held against an old list"
    assert rows(copy, "SELECT * FROM findings WHERE resolved_at IS NULL") == [before]
    assert rows(copy, "SELECT * FROM tours") == [ended], "the tour does not count"


async def test_a_tour_of_another_version_ends(copy: Engine, healthy: World) -> None:
    place = Place(Tour.CHECKS, began_at=copy.clock(), round="a_check_that_was")
    assert await turn_page(copy, place) is None


# --- the checks, in slices -----------------------------------------------------------------------------------------


async def test_every_check_is_in_one_of_the_tours(copy: Engine, healthy: World) -> None:
    names = [each.name for tour in Tour for each in rounds(copy, tour)]

    assert len(names) == len(set(names))
    known = {check.name for check in CHECKS}
    assert known - set(names) == {"gateway_agrees", "disputes_agree", "reconciliation_finds_nothing"}


async def test_slices_find_nothing_in_a_healthy_book(copy: Engine, healthy: World) -> None:
    assert await found(copy, Tour.CHECKS) == []
    assert [result for result in await run_checks(copy) if not result.ok] == []


async def test_a_dispute_that_nobody_told_us_of_is_found(copy: Engine, healthy: World) -> None:
    """Its webhook was lost: the money is gone at the gateway, and not in the books."""
    [[key, ref]] = rows(
        copy, f"SELECT key, gateway_ref FROM payment_attempts WHERE id = {FIRST_ATTEMPT}", **healthy.named
    )
    assert isinstance(copy.gateway, SimulatorGateway)
    dispute = copy.gateway.dispute(ref)

    [finding] = await found(copy)
    assert (finding.kind, finding.subject) == ("dispute_differs", key)
    assert finding.detail == "of it 900 are disputed at simulator, 0 are posted"
    news = News("simulator", dispute, key, DisputeStatus.OPEN, 900, "USD", "fraudulent", copy.clock())
    assert await copy.write(lambda session: disputes.book(session, news))
    assert await found(copy) == []
    copy.gateway.decide_dispute(ref, won=True)
    assert [finding.detail for finding in await found(copy)] == ["of it 0 are disputed at simulator, 900 are posted"]


async def test_a_row_that_cannot_be_read_is_a_finding_and_no_end_of_the_tour(copy: Engine, healthy: World) -> None:
    """Its workflow cannot be started from it; what is found beside it is mended all the same."""
    live = "(SELECT min(id) FROM subscriptions WHERE ended_at IS NULL)"
    spoil(copy, f"UPDATE subscriptions SET state = '{{}}' WHERE id = {live}")
    (broken,) = rows(copy, f"SELECT {live} AS id")
    await repair(copy, "rows_match_workflows", [Found("rows_match_workflows", broken.id, NO_WORKFLOW)])
    assert rows(copy, "SELECT 1 FROM support_actions WHERE subject = :id", id=broken.id) == []
    await found(copy, Tour.CHECKS, limit=1_000)
