from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine

from perennial.gateways import registry
from perennial.gateways.enabled import GatewayNotEnabled
from perennial.gateways.simulator import SimulatorGateway


@dataclass(frozen=True)
class Settings:
    enabled_gateways: tuple[str, ...] = ("simulator",)
    webhook_secret: str = "whsec_of_the_registry_tests"
    api_host: str = "127.0.0.1"
    api_port: int = 8080


def test_the_simulator_is_built_in(engine: Engine) -> None:
    gateway = registry.build_gateway("simulator", Settings(), engine)
    assert isinstance(gateway, SimulatorGateway)
    registry.prepare_gateway(gateway)


def test_an_unknown_gateway_is_named_with_those_that_are_known(engine: Engine) -> None:
    with pytest.raises(registry.UnknownGateway, match=r"no gateway 'paypall'; known: simulator, simulator_2, stripe"):
        registry.build_gateway("paypall", Settings(), engine)


def test_a_third_party_registers_by_entry_point(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace(name="theirs")
    point = EntryPoint("theirs", "their.module:make", registry.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda _: lambda settings, engine: theirs)
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints([point]).select(**asked))
    assert registry.build_gateway("theirs", Settings(), engine) is theirs
    assert registry.gateway_names() == ("simulator", "simulator_2", "stripe", "theirs")
    gateways = registry.build_gateways(Settings(enabled_gateways=("theirs", "simulator_2")), engine)
    assert gateways.names == ("theirs", "simulator_2")
    assert gateways.primary is theirs
    dispatchers = registry.build_dispatchers(Settings(enabled_gateways=gateways.names), engine)
    assert len(dispatchers) == 1  # the simulator alone has no servers
    dispatchers[0].close()


def test_a_gateway_that_is_not_enabled_is_named(engine: Engine) -> None:
    gateways = registry.build_gateways(Settings(), engine)
    with pytest.raises(GatewayNotEnabled, match=r"'stripe' is not enabled; PERENNIAL_GATEWAYS names simulator"):
        gateways["stripe"]
    assert gateways.find("stripe") is None
    assert "simulator" in gateways


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 (not bound)
        ("::", "http://[::1]:8080"),
        ("api", "http://api:8080"),
    ],
)
def test_where_the_api_is(host: str, url: str) -> None:
    assert registry.api_url(Settings(api_host=host)) == url
