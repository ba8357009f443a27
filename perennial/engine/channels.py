"""By which channels customers can be told something here."""

from perennial.domain.dunning import DunningPolicy
from perennial.domain.errors import InvalidPolicy
from perennial.engine.context import Engine


def check(engine: Engine, policy: DunningPolicy) -> DunningPolicy:
    """A policy whose messages can be delivered.

    Raises:
        InvalidPolicy: it names a channel that nobody serves.
    """
    served = engine.settings.mailbox_channels
    for notice in policy.notices:
        for channel in notice.channels:
            if channel not in served:
                message = f"no channel is called {channel!r}; there is {', '.join(served)}"
                raise InvalidPolicy(message, field="notices")
    return policy
