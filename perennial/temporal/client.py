"""The one way to a Temporal client: the same namespace, data converter and interceptors in every process."""

from collections.abc import Sequence

from temporalio.client import Client, Interceptor

from perennial.config import PREFIX, Settings
from perennial.temporal.converter import data_converter
from perennial.temporal.interceptors import Correlation
from perennial.temporal.runtime import runtime_for


class TemporalUnavailable(Exception):
    """Temporal does not answer at the configured address."""


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the configured namespace.

    With `lazy` it connects at the first call, so that a process can start while Temporal is away; that first call then
    raises RuntimeError, which `perennial.engine.context.temporal_call` translates.

    Raises:
        TemporalUnavailable: it does not answer (not when `lazy`).
        SettingsError: no address is known.
    """
    address = settings.require_temporal_address()
    try:
        return await Client.connect(
            address,
            namespace=settings.temporal_namespace,
            data_converter=data_converter(settings),
            interceptors=_interceptors(settings),
            runtime=runtime_for(settings),
            lazy=lazy,
        )
    except RuntimeError as error:
        raise TemporalUnavailable(f"Temporal does not answer at {address} ({PREFIX}TEMPORAL_ADDRESS)") from error


def _interceptors(settings: Settings) -> Sequence[Interceptor]:
    """The first stands outermost: what a span is told of an error is what may leave the worker."""
    if settings.otlp_endpoint is None:
        return (Correlation(),)
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return (TracingInterceptor(), Correlation())
