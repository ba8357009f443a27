"""What a policy says of its messages, and what a table of declines has to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.declines import ALWAYS, DECLINES, DeclineClass, classify, disclosable, meaning, wants_money
from perennial.domain.dunning import CaseMessage, DunningPolicy, FinalAction, HardDecline, Notice
from perennial.domain.errors import InvalidPolicy

CHANNELS = st.lists(st.sampled_from(["email", "sms", "push"]), unique=True, max_size=3).map(tuple)
NOTICES = st.lists(
    st.builds(Notice, st.sampled_from(CaseMessage), CHANNELS, st.integers(0, 6)),
    unique_by=lambda notice: (notice.message, notice.from_step),
    max_size=12,
).map(tuple)


def policy(*notices: Notice) -> DunningPolicy:
    return DunningPolicy((1, 3), 5, FinalAction.CANCEL, HardDecline.STOP, notices=notices)


@given(NOTICES, st.sampled_from(CaseMessage), st.integers(0, 9))
def test_the_latest_notice_that_has_begun_counts(notices: tuple[Notice, ...], message: CaseMessage, step: int) -> None:
    begun = {each.from_step: each.channels for each in notices if each.message is message and each.from_step <= step}
    assert policy(*notices).channels(message, step) == (begun[max(begun)] if begun else ("email",))


@given(NOTICES, st.randoms(use_true_random=False))
def test_the_order_of_notices_says_nothing(notices: tuple[Notice, ...], chance: object) -> None:
    shuffled = list(notices)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    for message in CaseMessage:
        told = [policy(*notices).channels(message, step) for step in range(8)]
        assert told == [policy(*shuffled).channels(message, step) for step in range(8)]


@pytest.mark.parametrize("channels", [("email", "email"), ("E-Mail",), ("",), ("a" * 33,), ("sms\n",)])
def test_channels_are_different_plain_names(channels: tuple[str, ...]) -> None:
    with pytest.raises(InvalidPolicy) as wrong:
        Notice(CaseMessage.PAYMENT_FAILED, channels)
    assert wrong.value.field == "notices"


def test_two_notices_for_one_step_contradict_each_other() -> None:
    with pytest.raises(InvalidPolicy):
        policy(Notice(CaseMessage.PAYMENT_FAILED, ("sms",)), Notice(CaseMessage.PAYMENT_FAILED, ()))
    with pytest.raises(InvalidPolicy):
        Notice(CaseMessage.PAYMENT_FAILED, (), -1)


def test_a_copy_knows_its_row() -> None:
    assert policy().name is None
    copy = DunningPolicy((1,), None, FinalAction("keep"), HardDecline.STOP, code="gentle", version=3)
    assert (copy.name, copy.final_action) == ("gentle@3", FinalAction.SKIP)
    with pytest.raises(ValueError, match="nothing"):
        FinalAction("nothing")


def test_every_entry_has_its_day_and_source() -> None:
    assert len({(entry.code, entry.since) for entry in DECLINES}) == len(DECLINES)
    assert all(entry.source and entry.since.utcoffset() is not None for entry in DECLINES)
    # What is not told is never tried again by itself, and nobody but the soft ones wants money.
    assert all(entry.disclosed or entry.kind is DeclineClass.HARD for entry in DECLINES)
    assert all(entry.kind is DeclineClass.SOFT for entry in DECLINES if entry.wants_money)


def test_the_entry_in_force_counts() -> None:
    assert meaning("stolen_card", ALWAYS).kind is DeclineClass.HARD
    assert (classify("never_heard_of"), disclosable("never_heard_of")) == (DeclineClass.SOFT, True)
    assert [wants_money(code) for code in ("insufficient_funds", "do_not_honor", None)] == [True, False, False]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("network_budget_exceeded", DeclineClass.SOFT),
        ("network_never_retry", DeclineClass.HARD),
        ("no_payment_method", DeclineClass.HARD),
        ("amount_too_large", DeclineClass.HARD),
    ],
)
def test_our_own_words_have_a_class(code: str, kind: DeclineClass) -> None:
    assert classify(code) is kind
