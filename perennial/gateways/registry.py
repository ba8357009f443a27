"""Which gateways there are, and how one is made.

Third parties add theirs without touching this file: an entry point of the group `perennial.gateways` whose name is the
gateway's and whose object is a factory as below.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import SecretStr
from sqlalchemy import Engine

from perennial.domain.errors import PerennialError
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import SIMULATORS, SimulatorGateway, WebhookDispatcher, in_schema
from perennial.ports import PaymentGateway

ENTRY_POINTS = "perennial.gateways"


class GatewaySettings(Protocol):
    """What the gateways read of the settings of a process."""

    @property
    def enabled_gateways(self) -> tuple[str, ...]: ...
    @property
    def webhook_secret(self) -> str: ...
    @property
    def api_host(self) -> str: ...
    @property
    def api_port(self) -> int: ...
    @property
    def stripe_secret_key(self) -> SecretStr | None: ...
    @property
    def stripe_webhook_secret(self) -> SecretStr | None: ...
    @property
    def stripe_api_base(self) -> str: ...


GatewayFactory = Callable[[GatewaySettings, Engine], PaymentGateway]


class UnknownGateway(PerennialError):
    """No gateway of that name is built in or installed."""

    code: ClassVar[str] = "unknown_gateway"


def build_gateways(settings: GatewaySettings, engine: Engine) -> Gateways:
    """The gateways that the settings enable, the primary first. Raises UnknownGateway."""
    return Gateways(*(build_gateway(name, settings, engine) for name in settings.enabled_gateways))


def build_gateway(name: str, settings: GatewaySettings, engine: Engine) -> PaymentGateway:
    """Raises UnknownGateway."""
    factory = _BUILT_IN.get(name) or _installed(name)
    return factory(settings, engine)


@runtime_checkable
class KeepsTables(Protocol):
    """A gateway with tables of its own, in a schema of its own, that no migration knows."""

    def create_schema(self) -> None: ...


def prepare_gateway(gateway: PaymentGateway) -> None:
    """Make what the gateway keeps on our side of the border. Safe to repeat."""
    if isinstance(gateway, KeepsTables):
        gateway.create_schema()


def prepare_gateways(gateways: Gateways) -> None:
    """The same for each of them."""
    for gateway in gateways:
        prepare_gateway(gateway)


def build_dispatchers(settings: GatewaySettings, engine: Engine) -> tuple[WebhookDispatcher, ...]:
    """What delivers webhooks in the stead of real gateways: the simulators' dispatchers."""
    return tuple(
        WebhookDispatcher(
            in_schema(engine, name), url=f"{api_url(settings)}/v1/webhooks/{name}", secret=settings.webhook_secret
        )
        for name in settings.enabled_gateways
        if name in SIMULATORS
    )


def api_url(settings: GatewaySettings) -> str:
    """Where this machine's API is. One that listens on every interface listens on loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104 (not bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}"


def gateway_names() -> tuple[str, ...]:
    """Every name that `build_gateway` knows, built in ones first."""
    return (*_BUILT_IN, *sorted(point.name for point in entry_points(group=ENTRY_POINTS)))


def _simulator(name: str) -> GatewayFactory:
    return lambda settings, engine: SimulatorGateway(engine, webhook_secret=settings.webhook_secret, name=name)


def _stripe(settings: GatewaySettings, engine: Engine) -> PaymentGateway:
    from perennial.gateways import stripe  # the SDK takes half a second to import, which only its users pay

    return stripe.build(settings, engine)


def _installed(name: str) -> GatewayFactory:
    for point in entry_points(group=ENTRY_POINTS, name=name):
        factory: GatewayFactory = point.load()
        return factory
    raise UnknownGateway(f"no gateway {name!r}; known: {', '.join(gateway_names())}")


_BUILT_IN: dict[str, GatewayFactory] = {name: _simulator(name) for name in SIMULATORS} | {"stripe": _stripe}
