"""The kinds of fault that chaos knows, by the names that `--faults` takes."""

from collections.abc import Iterable
from enum import StrEnum

ALL, NONE = "all", "none"


class Kind(StrEnum):
    """What goes wrong. The races are people who ask at the very instant at which the engine acts by itself."""

    KILL_WORKER = "kill_worker"
    RESTART_POSTGRES = "restart_postgres"
    RESTART_TEMPORAL = "restart_temporal"
    GATEWAY_TIMEOUT = "gateway_timeout"
    GATEWAY_429 = "gateway_429"
    GATEWAY_500 = "gateway_500"
    WEBHOOK_DROP = "webhook_drop"
    WEBHOOK_DELAY = "webhook_delay"
    WEBHOOK_DOUBLE = "webhook_double"
    WEBHOOK_REORDER = "webhook_reorder"
    LOST_ANSWER = "lost_answer"
    RACE_CHECKOUT = "race_checkout"
    RACE_PORTAL = "race_portal"
    RACE_CANCEL = "race_cancel"
    RACE_UPGRADE = "race_upgrade"


PROCESSES = (Kind.KILL_WORKER, Kind.RESTART_POSTGRES, Kind.RESTART_TEMPORAL)
WEATHER = (
    Kind.GATEWAY_TIMEOUT,
    Kind.GATEWAY_429,
    Kind.GATEWAY_500,
    Kind.WEBHOOK_DROP,
    Kind.WEBHOOK_DELAY,
    Kind.WEBHOOK_DOUBLE,
    Kind.WEBHOOK_REORDER,
)
"""Faults of the gateway, switched on for a while."""


class UnknownKind(ValueError):
    """The text names it, and every kind that there is."""

    def __init__(self, names: Iterable[str]) -> None:
        known = ", ".join((ALL, NONE, *Kind))
        super().__init__(f"unknown: {', '.join(names)}; kinds of fault are {known}")


def parse(text: str) -> frozenset[Kind]:
    """`all`, `none`, or names with commas between them.

    Raises:
        UnknownKind: for what is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == [ALL]:
        return frozenset(Kind)
    if names == [NONE]:
        return frozenset()
    unknown = [name for name in names if name not in set(Kind)]
    if unknown or not names:
        raise UnknownKind(unknown or ["nothing was named"])
    return frozenset(map(Kind, names))
