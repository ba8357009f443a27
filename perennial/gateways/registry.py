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
from perennial.gateways.simulator import SimulatorGateway, WebhookDispatcher
from perennial.ports import PaymentGateway

ENTRY_POINTS = "perennial.gateways"


class GatewaySettings(Protocol):
    """What the gateways read of the settings of a process."""

    @property
    def gateway(self) -> str: ...
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


def build_gateway(settings: GatewaySettings, engine: Engine) -> PaymentGateway:
    """The gateway that the settings name. Raises UnknownGateway."""
    factory = _BUILT_IN.get(settings.gateway) or _installed(settings.gateway)
    return factory(settings, engine)


@runtime_checkable
class KeepsTables(Protocol):
    """A gateway with tables of its own, in a schema of its own, that no migration knows."""

    def create_schema(self) -> None: ...


def prepare_gateway(gateway: PaymentGateway) -> None:
    """Make what the gateway keeps on our side of the border. Safe to repeat."""
    if isinstance(gateway, KeepsTables):
        gateway.create_schema()


def build_dispatcher(settings: GatewaySettings, engine: Engine, url: str | None = None) -> WebhookDispatcher | None:
    """What delivers webhooks in the stead of a real gateway: the simulator's dispatcher, or None for real ones.

    `url` is where the API takes webhooks, if that is not its own host and port (behind a proxy, in another container).
    """
    if settings.gateway != SimulatorGateway.name:
        return None
    url = url or f"{api_url(settings)}/v1/webhooks/{settings.gateway}"
    return WebhookDispatcher(engine, url=url, secret=settings.webhook_secret)


def api_url(settings: GatewaySettings) -> str:
    """Where this machine's API is. One that listens on every interface listens on loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104 (not bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}"


def gateway_names() -> tuple[str, ...]:
    """Every name that `build_gateway` knows, built in ones first."""
    return (*_BUILT_IN, *sorted(point.name for point in entry_points(group=ENTRY_POINTS)))


def _simulator(settings: GatewaySettings, engine: Engine) -> PaymentGateway:
    return SimulatorGateway(engine, webhook_secret=settings.webhook_secret)


def _stripe(settings: GatewaySettings, engine: Engine) -> PaymentGateway:
    from perennial.gateways import stripe  # the SDK takes half a second to import, which only its users pay

    return stripe.build(settings, engine)


def _installed(name: str) -> GatewayFactory:
    for point in entry_points(group=ENTRY_POINTS, name=name):
        factory: GatewayFactory = point.load()
        return factory
    raise UnknownGateway(f"no gateway {name!r}; known: {', '.join(gateway_names())}")


_BUILT_IN: dict[str, GatewayFactory] = {SimulatorGateway.name: _simulator, "stripe": _stripe}
