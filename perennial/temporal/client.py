"""The one way to a Temporal client: the same namespace and data converter in every process."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from perennial.config import PREFIX, Settings


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
            address, namespace=settings.temporal_namespace, data_converter=pydantic_data_converter, lazy=lazy
        )
    except RuntimeError as error:
        raise TemporalUnavailable(f"Temporal does not answer at {address} ({PREFIX}TEMPORAL_ADDRESS)") from error
