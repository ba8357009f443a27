"""What routes ask for: the engine, names for what they make, a place in a list."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from api.idempotency import HEADER, LONGEST
from perennial.engine.context import Engine
from perennial.engine.ids import new_id


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


EngineDep = Annotated[Engine, Depends(_engine)]


@dataclass(frozen=True, slots=True)
class Names:
    """Names for what a request makes: derived from its idempotency key, so that a repetition makes the same things."""

    seed: str | None

    def id(self, prefix: str) -> str:
        return new_id(prefix, self.seed)

    @property
    def request_id(self) -> str:
        return new_id("req", self.seed)


def _names(
    request: Request,
    _key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=LONGEST,
            pattern=r"^[ -~]+$",
            description="Any text that names this request. Sent again with the same body, it gets the first answer.",
        ),
    ] = None,
) -> Names:
    return Names(request.state.seed)


NamesDep = Annotated[Names, Depends(_names)]
