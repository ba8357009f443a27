"""What the reconciler has found."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.common import Outgoing

FindingStatus = Literal["open", "resolved"]


class FindingOut(Outgoing):
    """One discrepancy. Found again it stays one; it is resolved by the first tour that does not find it any more."""

    id: str
    status: FindingStatus
    source: str = Field(
        description="Who finds it: a gateway's list (`gateway:stripe`), our postings (`ledger:stripe`), or a check.",
        examples=["gateway:stripe", "spans_tile"],
    )
    kind: str = Field(examples=["unknown_here", "amount_differs", "captured_twice"])
    subject: str = Field(description="An id or a business key.")
    detail: str
    first_seen: datetime = Field(description="When the tour began that found it first; machine time.")
    last_seen: datetime
    resolved_at: datetime | None
    repaired_at: datetime | None
    repair: str | None = Field(description="What the reconciler did about it by itself, if it did something.")
