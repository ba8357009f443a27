"""The embedded payment gateway: persistent, idempotent, scriptable, with books of its own."""

from perennial.gateways.simulator.dispatcher import WebhookDispatcher
from perennial.gateways.simulator.faults import NO_FAULTS, SimulatorFaults, injected, set_faults
from perennial.gateways.simulator.gateway import SimulatorGateway
from perennial.gateways.simulator.schema import SIMULATORS, create_schema, in_schema
from perennial.gateways.simulator.witness import Capture, Duplicate, Witness, witness

__all__ = [
    "NO_FAULTS",
    "SIMULATORS",
    "Capture",
    "Duplicate",
    "SimulatorFaults",
    "SimulatorGateway",
    "WebhookDispatcher",
    "Witness",
    "create_schema",
    "in_schema",
    "injected",
    "set_faults",
    "witness",
]
