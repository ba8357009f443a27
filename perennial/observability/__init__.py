"""What a process tells of itself: logs, metrics, health, traces, errors, alerts. Each by setting but the logs.

Nobody's name, address or message is in any of it: ids, codes and amounts are.
"""

from perennial.observability.logs import configure_logging
from perennial.observability.process import observed, serving

__all__ = ["configure_logging", "observed", "serving"]
