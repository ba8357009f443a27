"""Defects that are planted on purpose, to show that chaos finds them. For tests alone.

They live in the workers of a chaos run and nowhere else: only `perennial.chaos.workers` reads the variable, no setting
of the engine leads here, and production refuses it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from temporalio import activity

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
    """The second lock and the look-up are off: a second try has a key of its own, and the gateway finds no charge.

    As an engine would behave that makes a new key when it tries again, or asks a gateway that has forgotten its keys.
    A third try has the key of the second, so that a card whose first answer is always lost comes to an end.
    """
    charge = SimulatorGateway.charge

    def charge_anew(self: SimulatorGateway, request: ChargeRequest) -> ChargeResult:
        again = activity.info().attempt > 1
        return charge(self, replace(request, key=f"{request.key}/again") if again else request)

    def find_nothing(self: SimulatorGateway, key: str) -> ChargeResult | None:  # noqa: ARG001 - as it is called
        return None

    def cancel_nothing(self: SimulatorGateway, key: str) -> ChargeResult | None:  # noqa: ARG001 - as it is called
        return ChargeResult(ChargeStatus.CANCELED, key)

    SimulatorGateway.charge = charge_anew  # type: ignore[method-assign]
    SimulatorGateway.find_charge = find_nothing  # type: ignore[method-assign]
    SimulatorGateway.cancel_charge = cancel_nothing  # type: ignore[method-assign]


DEFECTS: Mapping[str, Callable[[], None]] = {"charge_without_locks": _charge_without_locks}
