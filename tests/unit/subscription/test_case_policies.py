"""A case goes by the policy that it began with, the subscription by its own, and everything else by the plan's."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from perennial.domain.dunning import CaseMessage, DunningPolicy, FinalAction, HardDecline, Notice
from perennial.domain.subscription import commands as c
from perennial.domain.subscription.effects import Message, PaymentFact
from tests.unit.subscription.life import Life, plan, policy

# The first renewal is 31 days later.
START = datetime(2026, 1, 1, 10, tzinfo=UTC)


def named(version: int, *offsets: int, **more: Any) -> DunningPolicy:
    given = {"grace_days": None, "final_action": FinalAction.CANCEL, "on_hard_decline": HardDecline.STOP} | more
    return DunningPolicy(offsets, code="gentle", version=version, **given)


class Assigned(Life):
    """A life in which a policy is assigned to the customer's group. Messages are kept as they are."""

    assigned: DunningPolicy | None = None

    def _attempt(self, invoice: str, n: int, method: str | None) -> PaymentFact:
        return replace(super()._attempt(invoice, n, method), policy=self.assigned)

    def _carry_out(self, decision: Any) -> None:
        self.told = [*getattr(self, "told", []), *decision.messages]
        super()._carry_out(decision)


def declined_at_renewal(assigned: DunningPolicy | None, *, times: int = 99) -> Assigned:
    """The first renewal has just failed; the card goes on failing so many times."""
    life = Assigned(plan(dunning=policy(offsets=(1,), grace=None)), start=START)
    left = iter(["insufficient_funds"] * times)
    life.gateway = lambda _invoice, _attempt: next(left, None)
    life.assigned = assigned
    life.advance(days=31)
    return life


def kinds(life: Assigned) -> list[tuple[str, tuple[str, ...]]]:
    return [(message.kind, message.channels) for message in life.told if isinstance(message, Message)]


def test_without_an_assignment_it_is_the_plans() -> None:
    life = declined_at_renewal(None)
    assert life.state.policy == life.state.terms.dunning
    assert life.advance(days=3).state.end_reason == "payment_failed"


def test_a_case_keeps_what_it_began_with() -> None:
    """The newer version is told with every decline, and heard only by the case after this one."""
    life = declined_at_renewal(named(1, 2, 4), times=2)
    life.assigned = named(2, 9)
    life.advance(days=2)
    assert life.state.policy.name == "gentle@1"
    life.advance(days=2.5)
    recovered = life.state
    assert (recovered.collection, recovered.policy.name) == (None, None)
    again = iter(["insufficient_funds"])
    life.gateway = lambda _invoice, _attempt: next(again, None)
    life.advance(days=30)
    assert life.state.policy.name == "gentle@2"


def test_its_own_comes_first_and_goes() -> None:
    life = declined_at_renewal(named(1, 5))
    life.send(c.SetDunning(policy=named(7, 6)))
    assert life.state.policy.name == "gentle@7"
    life.send(c.SetDunning())
    assert life.state.policy.name == "gentle@1"


def test_for_the_case_alone() -> None:
    life = declined_at_renewal(named(1, 2), times=2)
    life.send(c.SetDunning(policy=named(2, 5), case_only=True))
    assert (life.state.dunning, life.state.policy.name) == (None, "gentle@2")
    life.advance(days=4)
    assert life.state.collection is not None
    life.advance(days=2)
    assert life.state.ended_at is not None
    assert Life().refused(c.SetDunning(policy=named(1, 1), case_only=True)) == "nothing_to_pay"


def test_the_final_action_is_the_cases() -> None:
    """Also when the case has been closed before it is taken."""
    paused = declined_at_renewal(named(1, 1, final_action=FinalAction.PAUSE)).advance(days=2)
    assert paused.state.status == "paused"
    unpaid = declined_at_renewal(named(1, 1, final_action=FinalAction.UNPAID)).advance(days=2)
    assert unpaid.state.status == "unpaid"
    assert unpaid.state.policy.name == "gentle@1"


def test_messages_of_a_case_go_by_its_channels() -> None:
    notices = (
        Notice(CaseMessage.ACCESS_SUSPENDED, ("sms",), from_step=1),
        Notice(CaseMessage.SUBSCRIPTION_CANCELED, ("email", "sms")),
    )
    life = declined_at_renewal(named(1, 1, 3, grace_days=2, notices=notices))
    life.advance(days=4)
    assert kinds(life)[-2:] == [("access_suspended", ("sms",)), ("subscription_canceled", ("email", "sms"))]
    early = declined_at_renewal(named(1, 3, grace_days=2, notices=notices))
    early.advance(days=2)
    assert kinds(early)[-1] == ("access_suspended", ("email",))


def test_a_hard_decline_by_the_cases_policy() -> None:
    life = Assigned(plan(dunning=policy(offsets=(1,), grace=None)), start=START)
    life.gateway = lambda _invoice, _attempt: "lost_card"
    life.assigned = named(1, 5, on_hard_decline=HardDecline.FINAL_ACTION)
    life.advance(days=31)
    assert life.state.ended_at == datetime(2026, 2, 1, 10, tzinfo=UTC)
