"""Defects that are planted on purpose, to show that chaos finds them. For tests alone.

They live in the workers of a chaos run and nowhere else: only `perennial.chaos.workers` reads the variable, no setting
of the engine leads here, and production refuses it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from os import getpid

from perennial.config import Settings, SettingsError
from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import ChargeRequest, ChargeResult, ChargeStatus

VARIABLE = "PERENNIAL_TEST_ONLY_CHAOS_DEFECT"


def plant(name: str, settings: Settings) -> None:
    """Change this process for good.

    Raises:
        SettingsError: in production, or if no defect has that name.
    """
    if settings.is_production:
        raise SettingsError(f"{VARIABLE}: is for tests, and never for production")
    if name not in DEFECTS:
        raise SettingsError(f"{VARIABLE}: no defect is called {name!r}; there are {', '.join(DEFECTS)}")
    DEFECTS[name]()


def _charge_without_locks() -> None:
    """The second lock and the look-up are off: every call has a key of its own, and the gateway finds no charge.

    As an engine would behave that makes a new key for each try, or asks a gateway that has forgotten its keys.
    """
    charge, calls = SimulatorGateway.charge, count()

    def charge_anew(self: SimulatorGateway, request: ChargeRequest) -> ChargeResult:
        return charge(self, replace(request, key=f"{request.key}/{getpid()}-{next(calls)}"))

    def find_nothing(self: SimulatorGateway, key: str) -> ChargeResult | None:  # noqa: ARG001 - as it is called
        return None

    def cancel_nothing(self: SimulatorGateway, key: str) -> ChargeResult | None:  # noqa: ARG001 - as it is called
        return ChargeResult(ChargeStatus.CANCELED, key)

    SimulatorGateway.charge = charge_anew  # type: ignore[method-assign]
    SimulatorGateway.find_charge = find_nothing  # type: ignore[method-assign]
    SimulatorGateway.cancel_charge = cancel_nothing  # type: ignore[method-assign]


DEFECTS: Mapping[str, Callable[[], None]] = {"charge_without_locks": _charge_without_locks}
