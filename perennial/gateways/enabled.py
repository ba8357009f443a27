"""The gateways that the settings enable, by name. Which of them is meant stands in a row; new business is routed."""

from collections.abc import Callable, Iterator
from typing import ClassVar

from perennial.ports import GatewayError, PaymentGateway


class GatewayNotEnabled(GatewayError):
    """A row names a gateway that the settings do not enable: it waits until they do."""

    code: ClassVar[str] = "gateway_not_enabled"


class Gateways:
    """At least one; the first is the primary, to which goes what no rule routes elsewhere."""

    def __init__(self, *gateways: PaymentGateway) -> None:
        self._by_name = {gateway.name: gateway for gateway in gateways}

    def __iter__(self) -> Iterator[PaymentGateway]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> PaymentGateway:
        """Raises GatewayNotEnabled."""
        try:
            return self._by_name[name]
        except KeyError:
            message = f"the gateway {name!r} is not enabled; PERENNIAL_GATEWAYS names {', '.join(self._by_name)}"
            raise GatewayNotEnabled(message) from None

    def find(self, name: str) -> PaymentGateway | None:
        return self._by_name.get(name)

    def taking(self, currency: str) -> dict[str, bool]:
        """Which of them take a currency, in their order."""
        return {gateway.name: gateway.capabilities.supports(currency) for gateway in self}

    @property
    def primary(self) -> PaymentGateway:
        return next(iter(self))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def each(self, wrap: Callable[[PaymentGateway], PaymentGateway]) -> "Gateways":
        """The same names, each gateway behind something."""
        return Gateways(*(wrap(gateway) for gateway in self))
