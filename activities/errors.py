"""How named errors cross into Temporal: the type is the code, so that an operator reads it in the UI.

Everything stays retryable. A failed workflow would lose its subscription; a failing activity is seen, explained by
`support stuck`, and goes on by itself when the cause is mended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError

from perennial.domain.errors import PerennialError
from perennial.ports import GatewayError

# A request that the gateway calls wrong is our defect: it waits for a deployment, so it is tried rarely.
DEFECT_RETRY = timedelta(minutes=10)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except PerennialError as error:
        is_defect = isinstance(error, GatewayError) and not error.retryable
        delay = DEFECT_RETRY if is_defect else None
        raise ApplicationError(str(error), type=error.code, next_retry_delay=delay) from error
