"""What a tour of the reconciler is started with, and what it carries from page to page."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

RECONCILIATION = "Reconciliation"


class Tour(StrEnum):
    """`gateways` compares payments with those who carried them out; `checks` looks at everything of our own."""

    GATEWAYS = "gateways"
    CHECKS = "checks"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tour stands: the next page begins `after` a cursor of `round` (empty: the first one).

    `began_at` (machine time, UTC) is the tour's name in the findings: what was seen last by an earlier one is gone.
    `limit` is how much is on a page. `whole`: every finding of the round so far is written down. `missed` are rounds
    whose gateway did not answer.
    """

    tour: Tour
    began_at: datetime | None = None
    round: str = ""
    after: str | None = None
    limit: int = 1_000
    page: int = 1
    whole: bool = True
    missed: tuple[str, ...] = ()
