"""Payment methods: tokens of a gateway, never card numbers."""

from fastapi import APIRouter

from api.deps import EngineDep, NamesDep
from api.openapi import READ, WRITE
from api.routing import GuardedRoute
from api.schemas.customers import NewPaymentMethod, PaymentMethodOut, PaymentMethodRoles, PaymentMethods
from api.schemas.routing import NewToken, PaymentMethodGateways
from api.security import REQUIRE_KEY
from perennial.engine import customers, routing

router = APIRouter(
    prefix="/v1/customers/{customer_id}/payment-methods",
    tags=["customers"],
    route_class=GuardedRoute,
    dependencies=[REQUIRE_KEY],
    responses=READ,
)


@router.post("", status_code=201, responses=WRITE)
async def attach_payment_method(
    customer_id: str, body: NewPaymentMethod, engine: EngineDep, names: NamesDep
) -> PaymentMethodOut:
    """Keeps a gateway's token. The first one is the default."""
    method = await customers.attach_payment_method(
        engine, customer_id, body.token, default=body.default, id=names.id("pm"), gateway=body.gateway
    )
    return PaymentMethodOut.model_validate(method)


@router.get("")
async def list_payment_methods(customer_id: str, engine: EngineDep) -> PaymentMethods:
    """Those that are attached, oldest first."""
    methods = await customers.payment_methods(engine, customer_id)
    return PaymentMethods(data=[PaymentMethodOut.model_validate(method) for method in methods])


@router.patch("/{payment_method_id}", responses=WRITE)
async def change_payment_method(
    customer_id: str, payment_method_id: str, body: PaymentMethodRoles, engine: EngineDep
) -> PaymentMethodOut:
    """Make it the default, or the backup that is tried when another one is declined."""
    method = await customers.set_roles(engine, customer_id, payment_method_id, default=body.default, backup=body.backup)
    return PaymentMethodOut.model_validate(method)


@router.post("/{payment_method_id}/tokens", responses=WRITE)
async def add_token(
    customer_id: str, payment_method_id: str, body: NewToken, engine: EngineDep, _: NamesDep
) -> PaymentMethodGateways:
    """The same card at one more gateway, where it is charged when the first is out of order."""
    await routing.add_token(engine, customer_id, payment_method_id, body.gateway, body.token)
    held = await routing.tokens(engine, customer_id, payment_method_id)
    return PaymentMethodGateways(payment_method_id=payment_method_id, gateways=sorted(held))


@router.delete("/{payment_method_id}", status_code=204)
async def detach_payment_method(customer_id: str, payment_method_id: str, engine: EngineDep) -> None:
    """It is never charged again; past payments keep it."""
    await customers.detach(engine, customer_id, payment_method_id)
