"""Every report of the registry: a route each, whose query parameters are the report's."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.deps import EngineDep
from api.openapi import READ
from api.routing import GuardedRoute
from api.schemas.common import Currency, Instant, Timezone
from api.schemas.places import Day
from api.schemas.reports import ColumnOut, ReportOut, ReportsOut, RunReportOut
from api.security import REQUIRE_KEY
from perennial.engine.context import Engine
from perennial.reports.registry import REPORTS
from perennial.reports.report import ParameterKind, Report

router = APIRouter(
    prefix="/v1/reports", tags=["reports"], route_class=GuardedRoute, dependencies=[REQUIRE_KEY], responses=READ
)
_TYPES: dict[ParameterKind, Any] = {
    ParameterKind.INSTANT: Instant,
    ParameterKind.DAY: Day,
    ParameterKind.TIMEZONE: Timezone,
    ParameterKind.CURRENCY: Currency,
}


@router.get("")
async def list_reports() -> ReportsOut:
    """What there is, and what each column means."""
    return ReportsOut(data=[ReportOut.model_validate(report) for report in REPORTS])


def _route(report: Report) -> Callable[..., Awaitable[RunReportOut]]:
    """A function whose parameters are the report's, so that FastAPI makes query parameters of them."""

    async def run(engine: Engine, **given: Any) -> RunReportOut:
        parameters = report.parse({name: _text(value) for name, value in given.items()})
        rows = await engine.read(lambda session: report.run(session, parameters))
        return RunReportOut(
            report=report.name,
            columns=[ColumnOut.model_validate(column) for column in report.columns],
            parameters={name: _text(value) for name, value in parameters.items()},
            rows=rows,
        )

    options = [
        inspect.Parameter(
            parameter.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=parameter.default,
            annotation=Annotated[_TYPES[parameter.kind] | None, Query(description=parameter.help)],
        )
        for parameter in report.parameters
    ]
    engine = inspect.Parameter("engine", inspect.Parameter.KEYWORD_ONLY, annotation=EngineDep)
    signature = inspect.Signature([engine, *options], return_annotation=RunReportOut)
    run.__signature__ = signature  # type: ignore[attr-defined]  # what FastAPI reads instead of the real one
    run.__doc__ = report.definition
    return run


def _text(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime | date) else value


for _report in REPORTS:
    router.add_api_route(f"/{_report.name}", _route(_report), name=f"report_{_report.name.replace('-', '_')}")
