"""Reports: the same as on the command line, for programs."""

from api.schemas.common import Outgoing
from perennial.reports.report import Kind, ParameterKind


class ColumnOut(Outgoing):
    """`money` is in minor units of the row's `currency`; `count` is a whole number; everything else is text."""

    name: str
    title: str
    kind: Kind


class ParameterOut(Outgoing):
    name: str
    kind: ParameterKind
    help: str
    default: str | None


class ReportOut(Outgoing):
    """`definition` says in words what each column means."""

    name: str
    title: str
    definition: str
    columns: list[ColumnOut]
    parameters: list[ParameterOut]


class ReportsOut(Outgoing):
    data: list[ReportOut]


class RunReportOut(Outgoing):
    """`parameters` are those that were used, defaults filled in."""

    report: str
    columns: list[ColumnOut]
    parameters: dict[str, str | None]
    rows: list[dict[str, str | int | None]]
