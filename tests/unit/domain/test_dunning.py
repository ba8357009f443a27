from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.calendar import to_wall
from perennial.domain.declines import DeclineClass, classify, disclosable
from perennial.domain.dunning import (
    DEFAULT_POLICY,
    DunningPolicy,
    FinalAction,
    HardDecline,
    closes_at,
    grace_ends_at,
    retry_at,
)
from perennial.domain.errors import InvalidPolicy

BERLIN = "Europe/Berlin"
policies = st.builds(
    DunningPolicy,
    retry_offsets_days=st.sets(st.integers(1, 60), max_size=8).map(lambda found: tuple(sorted(found))),
    grace_days=st.none() | st.integers(0, 60),
    final_action=st.sampled_from(FinalAction),
    on_hard_decline=st.sampled_from(HardDecline),
)
failures = st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2040-01-01")).map(
    lambda found: found.replace(tzinfo=UTC)
)
zones = st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])


@given(policies, failures, zones)
def test_a_case_runs_forward_and_closes_last(policy: DunningPolicy, failed: datetime, zone: str) -> None:
    retries = [retry_at(policy, failed, zone, k) for k in range(len(policy.retry_offsets_days))]
    grace = grace_ends_at(policy, failed, zone)
    closes = closes_at(policy, failed, zone)
    assert retries == sorted(set(retries))
    assert all(failed < at <= closes for at in retries)
    assert (grace is None) == (policy.grace_days is None)
    assert grace is None or failed <= grace <= closes
    assert closes == max([failed, *retries, *([grace] if grace else [])])


@given(policies.filter(lambda policy: policy.retry_offsets_days), failures, zones)
def test_retries_keep_the_local_time(policy: DunningPolicy, failed: datetime, zone: str) -> None:
    wall, found = to_wall(failed, zone), to_wall(retry_at(policy, failed, zone, 0), zone)
    moved = found - wall - timedelta(days=policy.retry_offsets_days[0])
    assert timedelta() <= moved <= timedelta(hours=1)  # forward, out of a gap


def test_the_default_policy() -> None:
    failed = datetime(2026, 3, 20, 9, tzinfo=UTC)
    assert [retry_at(DEFAULT_POLICY, failed, "UTC", k).day for k in range(4)] == [21, 23, 27, 3]
    assert grace_ends_at(DEFAULT_POLICY, failed, "UTC") == closes_at(DEFAULT_POLICY, failed, "UTC")
    # 10:00 in Berlin before the clock changes on the 29th, and after it
    assert retry_at(DEFAULT_POLICY, failed, BERLIN, 3) == datetime(2026, 4, 3, 8, tzinfo=UTC)


@pytest.mark.parametrize("offsets", [(0,), (-1, 2), (3, 3), (5, 2)])
def test_offsets_rise(offsets: tuple[int, ...]) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        DunningPolicy(offsets, 7, FinalAction.CANCEL, HardDecline.STOP)
    assert caught.value.field == "retry_offsets_days"


def test_grace_is_not_negative() -> None:
    with pytest.raises(InvalidPolicy) as caught:
        DunningPolicy((1,), -1, FinalAction.CANCEL, HardDecline.STOP)
    assert caught.value.field == "grace_days"


def test_no_retries_and_no_grace_closes_at_once() -> None:
    failed = datetime(2026, 3, 20, 9, tzinfo=UTC)
    assert closes_at(DunningPolicy((), None, FinalAction.SKIP, HardDecline.STOP), failed, "UTC") == failed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_funds", DeclineClass.SOFT),
        ("do_not_honor", DeclineClass.SOFT),
        ("generic_decline", DeclineClass.SOFT),
        ("something_new", DeclineClass.SOFT),
        ("stolen_card", DeclineClass.HARD),
        ("authentication_required", DeclineClass.NEEDS_CUSTOMER),
        ("expired_card", DeclineClass.NEEDS_CUSTOMER),
    ],
)
def test_what_a_decline_says(code: str, kind: DeclineClass) -> None:
    assert classify(code) is kind
    assert kind.retries_by_itself == (kind is DeclineClass.SOFT)


def test_a_thief_is_not_told() -> None:
    assert not any(map(disclosable, ["stolen_card", "lost_card", "fraudulent", "pickup_card", "merchant_blacklist"]))
    assert all(map(disclosable, ["insufficient_funds", "expired_card", "something_new"]))
