"""Dated stories of the pure core: what each command does, on named days."""

from datetime import UTC, datetime
from decimal import Decimal

from perennial.domain.dunning import FinalAction
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription import DueKind, Status, next_due
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.due import ORDER
from perennial.domain.subscription.effects import LineKind
from perennial.domain.subscription.state import Discount, SpanKind
from tests.unit.subscription.life import WEEK, YEAR, Life, plan, policy, script

SOFT = "insufficient_funds"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def boundaries(life: Life) -> list[str]:
    starts = {document.draft.period.start for document in life.documents.values()}
    return [f"{start:%m-%d %H:%M}" for start in sorted(starts)]


# --- periods ---------------------------------------------------------------------------------------------------------


def test_the_31st_comes_back_after_february() -> None:
    life = Life(start=at("2026-01-31T10:00")).advance(at("2026-05-01T00:00"))
    assert boundaries(life) == ["01-31 10:00", "02-28 10:00", "03-31 10:00", "04-30 10:00"]


def test_the_31st_survives_a_pause_that_took_no_time() -> None:
    life = Life(start=at("2026-01-31T10:00"))
    life.send(c.PauseSubscription(when=c.When.PERIOD_END, until=at("2026-06-01T00:00")))
    life.advance(at("2026-02-28T10:00")).send(c.Resume()).advance(at("2026-04-01T00:00"))
    assert boundaries(life) == ["01-31 10:00", "02-28 10:00", "03-31 10:00"]


def test_a_renewal_keeps_its_wall_time_over_the_change_of_clocks() -> None:
    life = Life(start=at("2026-02-15T08:30"), timezone="Europe/Berlin").advance(at("2026-05-01T00:00"))
    assert boundaries(life) == ["02-15 08:30", "03-15 08:30", "04-15 07:30"]


def test_a_leap_day_anchor_waits_for_the_next_leap_year() -> None:
    life = Life(plan(interval=YEAR), start=at("2024-02-29T12:00")).advance(at("2028-03-01T00:00"))
    days = sorted(document.draft.period.start.date().isoformat() for document in life.documents.values())
    assert days == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_due_kinds_have_the_documented_order() -> None:
    assert [kind.value for kind in ORDER] == [
        "dispute",
        "resume",
        "payment_retry",
        "payment_overdue",
        "grace_end",
        "dunning_end",
        "expiry",
        "cancellation",
        "pause",
        "change",
        "trial_end",
        "renewal",
        "trial_reminder",
        "renewal_reminder",
        "gift_reminder",
    ]


def test_equal_instants_are_acted_upon_in_that_order() -> None:
    """A scheduled pause wins over the change of the same instant, which waits and comes before the renewal."""
    life = Life()
    life.send(c.ChangePlan(terms=plan("plus", "20.00"), when=c.When.PERIOD_END))
    life.send(c.PauseSubscription(when=c.When.PERIOD_END, until=at("2026-03-10T10:00")))
    life.advance(at("2026-03-10T10:00"))
    assert [due.kind.value for due in life.acted] == ["pause", "resume", "change", "renewal"]
    assert life.totals() == [1000, 2000]
    assert life.state.period.start == at("2026-03-10T10:00")


# --- trials ----------------------------------------------------------------------------------------------------------


def test_a_trial_without_a_card_ends_without_a_charge() -> None:
    terms = plan(trial_days=14, trial_needs_card=False)
    life = Life(terms, start=at("2026-01-31T10:00"), payment_method_id=None).advance(days=15)
    assert life.state.status is Status.CANCELED
    assert life.state.end_reason == "trial_ended_without_payment_method"
    assert [due.kind for due in life.acted] == [DueKind.TRIAL_REMINDER, DueKind.TRIAL_END]
    assert life.acted[0].at == at("2026-02-11T10:00")
    assert not life.documents


def test_a_trial_with_a_card_becomes_a_paid_subscription() -> None:
    life = Life(plan(trial_days=14), start=at("2026-01-31T10:00")).advance(days=14)
    assert life.state.status is Status.ACTIVE
    assert life.state.period.start == at("2026-02-14T10:00")
    assert life.totals() == [1000]


def test_a_trial_that_is_extended_moves_what_waits_for_its_end() -> None:
    life = Life(plan(trial_days=14), start=at("2026-01-31T10:00"))
    life.send(c.PauseSubscription(when=c.When.PERIOD_END)).send(c.ExtendTrial(until=at("2026-03-01T10:00")))
    life.advance(at("2026-02-20T00:00"))
    assert life.state.status is Status.TRIALING
    life.advance(at("2026-03-01T10:00"))
    assert life.state.status is Status.PAUSED


def test_a_skipped_first_period_ends_the_trial_all_the_same() -> None:
    life = Life(plan(trial_days=14)).send(c.SkipNext()).advance(days=15)
    assert life.state.status is Status.ACTIVE
    assert life.state.span.kind is SpanKind.SKIPPED
    assert not life.documents


# --- changes ---------------------------------------------------------------------------------------------------------


def test_an_upgrade_at_half_time_bills_the_difference() -> None:
    life = Life(start=at("2026-04-01T00:00")).advance(at("2026-04-16T00:00"))
    life.send(c.ChangePlan(terms=plan("plus", "20.00")))
    (_, change) = life.documents.values()
    assert [(line.kind, line.amount) for line in change.draft.lines] == [
        (LineKind.PRORATION_CREDIT, -500),
        (LineKind.PRORATION_DEBIT, 1000),
    ]
    assert life.advance(at("2026-05-01T00:00")).totals() == [1000, 500, 2000]


def test_a_downgrade_gives_credit_and_never_money() -> None:
    life = Life(plan("plus", "20.00"), start=at("2026-04-01T00:00")).advance(at("2026-04-16T00:00"))
    life.send(c.ChangePlan(terms=plan()))
    ((credit, amount),) = life.credits
    assert (amount, credit.refund) == (500, False)


def test_another_interval_starts_a_new_cycle() -> None:
    life = Life(start=at("2026-04-01T00:00")).advance(at("2026-04-16T00:00"))
    life.send(c.ChangePlan(terms=plan("yearly", "100.00", YEAR)))
    assert life.totals() == [1000, 10_000 - 500]
    assert life.state.period.end == at("2027-04-16T00:00")


def test_credit_in_a_new_cycle_is_backed_by_the_invoices_of_the_old_one() -> None:
    """The year paid for the month that followed it: a downgrade within that month must still give its credit."""
    life = Life(plan("yearly", "100.00", YEAR), start=at("2026-04-01T00:00"))
    life.send(c.ChangePlan(terms=plan("plus", "20.00"))).advance(at("2026-04-16T00:00"))
    life.send(c.ChangePlan(terms=plan()))
    assert [amount for _, amount in life.credits] == [8000, 500]
    life.send(c.Cancel(when=c.When.NOW, refund=c.RefundPolicy.FULL))
    assert life.credits[-1][1] == 1500


def test_a_full_refund_after_an_upgrade_with_a_new_cycle_is_the_new_period_and_no_more() -> None:
    life = Life(start=at("2026-04-01T00:00")).advance(at("2026-04-16T00:00"))
    life.send(c.ChangePlan(terms=plan("yearly", "100.00", YEAR)))
    life.send(c.Cancel(when=c.When.NOW, refund=c.RefundPolicy.FULL))
    assert life.credited == 10_000


def test_a_coupon_of_one_period_counts_for_changes_within_it_and_for_no_other() -> None:
    """Two seats and back again costs nothing, also when the coupon is used up or comes later."""
    used_up = Life(discounts=(Discount("half", percent=Decimal(50), periods_left=1),), start=at("2026-04-01T00:00"))
    for life in (used_up, Life(start=at("2026-04-01T00:00")).send(_coupon())):
        life.advance(at("2026-04-16T00:00"))
        before = life.billed
        life.send(c.ChangePlan(terms=plan("plus", "20.00"))).send(c.ChangePlan(terms=plan()))
        assert life.billed - before == life.credited
    assert used_up.totals() == [500, 250]


def _coupon() -> c.ApplyCoupon:
    return c.ApplyCoupon(discount=Discount("half", percent=Decimal(50)))


def test_an_upgrade_that_was_free_is_not_credited_later() -> None:
    life = Life(start=at("2026-04-01T00:00"))
    life.send(c.ChangePlan(terms=plan("gold", "100.00"), proration=ProrationBasis.NONE))
    life.send(c.ChangePlan(terms=plan("plus", "5.00")))
    assert life.totals() == [1000]
    assert life.credited == 500


def test_a_skipped_period_is_neither_charged_nor_credited() -> None:
    life = Life().send(c.SkipNext()).advance(at("2026-03-05T00:00"))
    assert life.state.span.kind is SpanKind.SKIPPED
    life.send(c.ChangePlan(terms=plan("plus", "20.00")))
    life.send(c.Cancel(when=c.When.PERIOD_END)).send(c.UndoCancel())
    assert life.advance(at("2026-04-01T00:00")).totals() == [1000, 2000]


# --- pauses ----------------------------------------------------------------------------------------------------------


def test_a_pause_moves_the_end_of_the_period_by_its_length() -> None:
    life = Life(start=at("2026-04-01T00:00")).advance(at("2026-04-11T00:00"))
    life.send(c.PauseSubscription(until=at("2026-06-01T12:00"))).advance(at("2026-06-01T12:00"))
    assert life.state.period.end == at("2026-06-21T12:00")
    assert life.advance(at("2026-06-21T12:00")).totals() == [1000, 1000]


def test_a_scheduled_pause_with_an_unpaid_upgrade_freezes_the_case() -> None:
    """Service has stopped, so dunning stands still; it goes on where it was when the customer comes back."""
    life = Life(gateway=script(None, *[SOFT] * 2), start=at("2026-04-01T00:00"))
    life.send(c.PauseSubscription(when=c.When.PERIOD_END)).advance(at("2026-04-29T00:00"))
    life.send(c.ChangePlan(terms=plan("plus", "20.00"))).advance(at("2026-07-01T00:00"))
    assert life.state.status is Status.PAUSED
    assert [due.kind for due in life.acted] == [DueKind.PAYMENT_RETRY, DueKind.PAUSE]
    life.send(c.Resume())
    assert life.state.status is Status.PAST_DUE
    life.advance(at("2026-07-01T23:59"))
    assert life.state.collection is not None
    life.advance(at("2026-07-02T00:00"))
    assert life.kinds[-3:] == ["paused", "resumed", "recovered"]


def test_what_is_owed_can_be_paid_during_a_pause() -> None:
    life = Life(gateway=script(None, SOFT), start=at("2026-04-01T00:00"))
    life.send(c.PauseSubscription(when=c.When.PERIOD_END)).advance(at("2026-04-30T12:00"))
    life.send(c.ChangePlan(terms=plan("plus", "20.00"))).advance(at("2026-05-01T00:00"))
    assert life.state.status is Status.PAUSED
    life.send(c.RetryPayment())
    assert life.state.collection is None
    assert life.send(c.Resume()).state.status is Status.ACTIVE


# --- dunning ---------------------------------------------------------------------------------------------------------


def dunned(final: FinalAction, *answers: str | None, **more: object) -> Life:
    life = Life(plan(dunning=policy(final), **more), gateway=script(None, *answers), start=at("2026-04-01T00:00"))
    return life.advance(at("2026-05-15T00:00"))


def test_dunning_retries_on_its_days_and_then_does_what_the_policy_says() -> None:
    life = dunned(FinalAction.CANCEL, *[SOFT] * 5)
    retries = [due.at.date().isoformat() for due in life.acted if due.kind is DueKind.PAYMENT_RETRY]
    assert retries == ["2026-05-02", "2026-05-04", "2026-05-08", "2026-05-15"]
    assert (life.state.status, life.state.end_reason) == (Status.CANCELED, "payment_failed")
    assert [document.status for document in life.documents.values()] == ["paid", "uncollectible"]


def test_dunning_of_a_weekly_plan_gathers_the_weeks_and_pays_the_oldest_first() -> None:
    life = Life(plan(interval=WEEK), gateway=script(None, *[SOFT] * 4), start=at("2026-04-01T00:00"))
    life.advance(at("2026-04-21T00:00"))
    assert life.state.collection is not None
    assert [key.split(":")[2] for key in life.state.collection.open_invoices] == ["1", "2"]
    life.advance(at("2026-04-22T00:00"))
    assert life.state.status is Status.ACTIVE
    assert [document.status for document in life.documents.values()] == ["paid"] * 4


def test_unpaid_keeps_the_debt_and_serves_nothing_until_it_is_paid() -> None:
    life = dunned(FinalAction.UNPAID, *[SOFT] * 5)
    assert life.state.status is Status.UNPAID
    assert next_due(life.state) is None
    life.advance(at("2026-08-01T00:00")).send(c.SetPaymentMethod(payment_method_id="pm_2"))
    assert life.state.status is Status.ACTIVE
    assert life.state.period.start == at("2026-08-01T00:00")
    assert life.totals() == [1000, 1000, 1000]


def test_an_unpaid_subscription_still_ends_on_the_day_it_was_canceled_for() -> None:
    """Otherwise its debt, paid late, would begin a period that nobody wants."""
    life = Life(
        plan(dunning=policy(FinalAction.UNPAID)), gateway=script(None, *[SOFT] * 5), start=at("2026-04-01T00:00")
    )
    life.advance(at("2026-05-01T00:00")).send(c.Cancel()).advance(at("2026-06-02T00:00"))
    assert (life.state.status, life.state.ended_at) == (Status.CANCELED, at("2026-06-01T00:00"))
    assert life.totals() == [1000, 1000]


def test_a_paused_end_of_dunning_starts_a_new_period_when_it_is_resumed() -> None:
    life = dunned(FinalAction.PAUSE, *[SOFT] * 5)
    assert life.state.status is Status.PAUSED
    life.advance(at("2026-07-07T00:00")).send(c.Resume()).advance(at("2026-07-07T00:00"))
    assert life.state.period.start == at("2026-07-07T00:00")
    assert [document.status for document in life.documents.values()] == ["paid", "uncollectible", "paid"]


def test_a_pause_at_the_end_of_dunning_gives_way_to_a_cancellation() -> None:
    life = Life(
        plan(dunning=policy(FinalAction.PAUSE)), gateway=script(None, *[SOFT] * 5), start=at("2026-04-01T00:00")
    )
    life.advance(at("2026-05-01T00:00")).send(c.Cancel(reason="too_dear")).advance(at("2026-06-02T00:00"))
    assert (life.state.status, life.state.end_reason) == (Status.CANCELED, "too_dear")


def test_what_dunning_gave_up_is_not_credited_in_a_later_change() -> None:
    life = dunned(FinalAction.SKIP, *[SOFT] * 5)
    assert life.state.status is Status.ACTIVE
    life.advance(at("2026-05-16T12:00")).send(c.ChangePlan(terms=plan("plus", "20.00")))
    assert life.totals()[-1] == 1000
    assert not life.credits


def test_a_hard_decline_waits_for_another_card() -> None:
    life = Life(gateway=script(None, "lost_card"), start=at("2026-04-01T00:00")).advance(at("2026-05-05T00:00"))
    assert not [due for due in life.acted if due.kind is DueKind.PAYMENT_RETRY]
    life.send(c.SetPaymentMethod(payment_method_id="pm_2"))
    assert life.state.status is Status.ACTIVE


def test_late_news_of_an_older_attempt_does_not_bring_retries_back() -> None:
    life = Life(gateway=script(None, SOFT, "lost_card"), start=at("2026-04-01T00:00")).advance(at("2026-05-02T00:00"))
    case = life.state.collection
    assert case is not None
    assert case.waits_for
    life.send(c.PaymentEvent(invoice=case.invoice, attempt=1))
    assert life.state.collection == case
    life.send(c.PaymentEvent(invoice=case.invoice, attempt=9))
    assert life.state.collection == case


# --- ends ------------------------------------------------------------------------------------------------------------


def test_a_cancellation_at_period_end_can_be_undone_until_then() -> None:
    life = Life(start=at("2026-04-01T00:00")).send(c.Cancel())
    life.advance(at("2026-04-30T23:59")).send(c.UndoCancel()).advance(at("2026-05-01T00:00"))
    assert life.totals() == [1000, 1000]
    life.send(c.Cancel()).advance(at("2026-06-01T00:00"))
    assert (life.state.status, life.state.ended_at) == (Status.CANCELED, at("2026-06-01T00:00"))


def test_reactivating_starts_a_new_cycle_with_a_period_number_of_its_own() -> None:
    life = Life(start=at("2026-04-01T00:00")).send(c.Cancel(when=c.When.NOW))
    life.advance(at("2026-09-09T09:00")).send(c.Reactivate())
    assert (life.state.status, life.state.period_no) == (Status.ACTIVE, 1)
    assert [span.kind.value for span in life.spans.values()] == ["ended", "paid"]


def test_a_first_payment_that_is_not_settled_in_23_hours_is_void() -> None:
    life = Life(gateway=script(SOFT)).advance(hours=23)
    assert life.state.status is Status.EXPIRED
    assert [document.status for document in life.documents.values()] == ["void"]


def test_a_gift_runs_without_a_card_and_then_expires() -> None:
    opening = {"prepaid_periods": 2, "gift_id": "gift_1", "payment_method_id": None}
    life = Life(start=at("2026-04-01T00:00"), **opening).advance(at("2026-06-01T00:00"))
    assert [due.kind for due in life.acted] == [DueKind.RENEWAL, DueKind.GIFT_REMINDER, DueKind.RENEWAL]
    assert (life.state.status, life.state.end_reason) == (Status.EXPIRED, "gift_ended")
    assert not life.documents
