"""Every report, in the order in which they are listed."""

from perennial.domain.errors import NotFound
from perennial.reports import (
    active_subscriptions,
    deferred_revenue,
    receivables_aging,
    revenue,
    settlements,
    tax,
    trial_balance,
)
from perennial.reports.report import Report

REPORTS: tuple[Report, ...] = (
    active_subscriptions.REPORT,
    revenue.REPORT,
    deferred_revenue.REPORT,
    trial_balance.REPORT,
    tax.REPORT,
    receivables_aging.REPORT,
    settlements.REPORT,
)


def find(name: str) -> Report:
    """Raises NotFound."""
    for report in REPORTS:
        if report.name == name:
            return report
    raise NotFound("report", name)
