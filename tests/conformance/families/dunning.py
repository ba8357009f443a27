"""dunning.json: what a decline means, what the networks allow, and whole cases played on the subscription engine."""

from typing import Any

from perennial.domain.declines import DeclineClass, classify, disclosable
from perennial.domain.networks import Attempt, Initiator, PastAttempt, may_attempt
from tests.conformance.families.dunning_case import play
from tests.conformance.schema import Kind, Malformed, instant


def classification(case: dict[str, Any]) -> dict[str, Any]:
    if case["processor"] != "stripe":
        raise Malformed(f"{case['processor']} has no translation here")  # the domain speaks Stripe's words
    if not case["expect"]:
        raise Malformed("a case that expects nothing proves nothing")
    kind: DeclineClass = classify(case["code"])
    found = {
        "class": kind.value,
        "auto_retry": kind.retries_by_itself,
        "disclose_reason": disclosable(case["code"]),
    }
    return {key: found[key] for key in case["expect"]}  # a key is absent where public sources disagree


def budget(case: dict[str, Any]) -> dict[str, Any]:
    history = [
        PastAttempt(
            at=instant(past["at"]),
            attempt=_attempt(past),
            original={"original": True, "reattempt": False}[past["kind"]],
            response_code=past.get("response_code"),
            advice_code=past.get("advice_code"),
        )
        for past in case["history"]
    ]
    found = may_attempt(case["network"], _attempt(case["attempt"]), instant(case["now"]), history)
    return {"allow": found.allow, "reason": found.reason}


def _attempt(data: dict[str, Any]) -> Attempt:
    return Attempt(data["card"], data["amount"], data["currency"], Initiator(data["initiator"]))


def _schedule(case: dict[str, Any]) -> dict[str, Any]:
    expect = dict(case["expect"])
    expect["attempts"] = [{**attempt, "at": instant(attempt["at"])} for attempt in expect["attempts"]]
    for key in ("ended_at", "access_suspended_at"):
        expect[key] = instant(expect[key]) if expect[key] else None
    return expect


_ATTEMPT = {"card": str, "amount": int, "currency": str, "initiator": str}
_MAYBE_INT = (int, type(None))

KINDS = {
    "schedule": Kind(
        fields={
            "policy": {
                "retry_offsets_days": [int],
                "grace_days": _MAYBE_INT,
                "final_action": str,
                "on_hard_decline": str,
            },
            "timezone": str,
            "first_failure_at": str,
            "first_failure_code": str,
            "outcomes": [str],
            "events?": [{"at": str, "type": str, "outcome": str}],
            "expect": {
                "attempts": [{"n": int, "at": str, "trigger": str, "outcome": str}],
                "end_state": str,
                "ended_at": str,
                "access_suspended_at": (str, type(None)),
            },
        },
        run=play,
        expected=_schedule,
    ),
    "classification": Kind(
        fields={
            "processor": str,
            "code": str,
            "expect": {"class?": str, "auto_retry?": bool, "disclose_reason?": bool},
        },
        run=classification,
    ),
    "network_budget": Kind(
        fields={
            "network": str,
            "now": str,
            "attempt": _ATTEMPT,
            "history": [
                {
                    **_ATTEMPT,
                    "at": str,
                    "subscription": str,
                    "kind": str,
                    "response_code?": str,
                    "advice_code?": str,
                }
            ],
            "expect": {"allow": bool, "reason": str},
        },
        run=budget,
    ),
}
