"""The commands that a subscription has heard, and which of them it hears again after a reset."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from perennial.engine.context import Engine
from perennial.support.histories import Line, Run, fetch
from perennial.support.steps import Point


@dataclass(frozen=True, slots=True)
class Heard:
    """`name_of` is its request id (or, typed by hand without one, all that it says): heard twice, it counts once."""

    command: str
    name_of: str
    at: str
    actor: str


async def after(engine: Engine, line: Line, point: Point) -> tuple[Heard, ...]:
    """Those that came after the point, on the way to where the subscription stands, each once."""
    here = [run.id for run in line.runs].index(point.run_id)
    found = [each async for each in _heard(engine.temporal.data_converter, line.runs[here:], point)]
    return tuple({each.name_of: each for each in found}.values())


async def kept_by_temporal(engine: Engine, line: Line, point: Point) -> frozenset[str]:
    """What Temporal itself applies again: that of the run and of those that it continued as.

    Where an earlier reset has ended that way, the commands that came since to the run of today are not among them.
    """
    runs = [run for run in line.runs if run.id == point.run_id]
    while following := runs[-1].continued_as:
        known = next((run for run in line.runs if run.id == following), None)
        run = known or await fetch(engine, line.subscription, following)
        if run is None:
            break
        runs.append(run)
    return frozenset([each.name_of async for each in _heard(engine.temporal.data_converter, runs, point)])


async def _heard(converter: DataConverter, runs: Sequence[Run], point: Point) -> AsyncIterator[Heard]:
    for run in runs:
        events = (event for event in run.events if run.id != point.run_id or event.event_id > point.event)
        for name, payloads in _commands(events):
            yield await _read(converter, name, payloads)


def _commands(events: Iterable[HistoryEvent]) -> Iterator[tuple[str, Payloads]]:
    """An update that was applied again by a reset stands there as admitted, any other as accepted."""
    for event in events:
        signal = event.workflow_execution_signaled_event_attributes
        admitted = event.workflow_execution_update_admitted_event_attributes.request.input
        accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
        if signal.signal_name:
            yield signal.signal_name, signal.input
        for update in (admitted, accepted):
            if update.name:
                yield update.name, update.args


async def _read(converter: DataConverter, name: str, payloads: Payloads) -> Heard:
    try:
        [said] = await converter.decode(payloads.payloads, [dict])
    except Exception:  # noqa: BLE001 - typed by hand, perhaps
        said = {}
    request = said.get("request_id") or f"{name}:{payloads.SerializeToString().hex()}"
    return Heard(name, request, said.get("at") or "", said.get("actor") or "")
