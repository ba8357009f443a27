"""How far the laws of this folder are searched: the same cases at every run, or so many others.

`PERENNIAL_EXAMPLES=5000 pytest tests/unit/subscription` looks for new ones.
"""

import os

from hypothesis import HealthCheck, settings

WIDE = os.environ.get("PERENNIAL_EXAMPLES")
LAWS = settings(
    max_examples=int(WIDE or 60),
    derandomize=WIDE is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
