"""Routing between gateways: rules by currency and country, shares, the order of failover."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import EngineDep
from api.openapi import READ, WRITE
from api.routing import GuardedRoute
from api.schemas.common import Currency, Id
from api.schemas.routing import GatewayOut, RoutingBody, RoutingOrderOut, RoutingOut, RuleOut
from api.security import REQUIRE_KEY
from perennial.db.models import RoutingTable
from perennial.db.repositories.routing import rules_of
from perennial.engine import routing
from perennial.engine.context import Engine
from perennial.ports import PaymentGateway

router = APIRouter(
    prefix="/v1/routing",
    tags=["routing"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


@router.get("")
async def get_routing(engine: EngineDep) -> RoutingOut:
    """The rules in force, and the gateways that the settings enable."""
    return _out(engine, await routing.table(engine))


@router.put("", responses=WRITE)
async def put_routing(body: RoutingBody, engine: EngineDep) -> RoutingOut:
    """Puts these rules in force, all at once. What has been begun stays at its gateway."""
    return _out(engine, await routing.replace(engine, [each.rule for each in body.rules]))


@router.get("/order")
async def get_routing_order(
    engine: EngineDep, customer_id: Annotated[Id, Query()], currency: Annotated[Currency, Query()]
) -> RoutingOrderOut:
    """Where something new for this customer would go, and what would come after that in an outage."""
    return RoutingOrderOut(gateways=list(await routing.order(engine, customer_id, currency)))


def _out(engine: Engine, table: RoutingTable | None) -> RoutingOut:
    return RoutingOut(
        rules=[RuleOut.model_validate(rule) for rule in rules_of(table)],
        set_at=table.created_at if table else None,
        gateways=[_gateway(each) for each in engine.gateways],
    )


def _gateway(gateway: PaymentGateway) -> GatewayOut:
    can = gateway.capabilities
    return GatewayOut(
        name=gateway.name,
        refunds=can.refunds,
        partial_refunds=can.partial_refunds,
        three_d_secure=can.three_d_secure,
        currencies=None if can.currencies is None else sorted(can.currencies),
    )
