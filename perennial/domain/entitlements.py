"""What a plan entitles to."""

from collections.abc import Sequence
from typing import Any


def check_entitlements(data: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple(data)
