"""From the body of a plan to the engine's words for it."""

from api.schemas.plans import NewPlan
from perennial.db.repositories import catalog
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval
from perennial.engine import plans
from perennial.engine.context import Engine
from perennial.engine.plan_checks import check_version


async def new_version(engine: Engine, body: NewPlan) -> None:
    """A request that comes again makes no second version.

    Raises:
        InvalidInput: naming what is wrong.
    """
    new = NewPlanVersion(
        code=body.code,
        name=body.name,
        interval=Interval(body.interval.unit, body.interval.count),
        prices=body.prices,
        trial_days=body.trial_days,
        trial_needs_card=body.trial_needs_card,
        reminder_days=body.reminder_days,
        proration=body.proration,
        dunning=body.dunning.policy,
        dunning_policy=body.dunning_policy,
        allow_multiple=body.allow_multiple,
        charges=tuple(charge.model_dump() for charge in body.charges),
        fees=tuple(fee.model_dump() for fee in body.fees),
        addons=tuple(addon.model_dump() for addon in body.addons),
        entitlements=tuple(body.entitlements),
        tax_inclusive=body.tax_inclusive,
        cancel_refund=body.cancel_refund,
        refund_to_credit=body.refund_to_credit,
        on_dispute=body.on_dispute,
    )
    check_version(new)
    if not await engine.read(lambda session: catalog.is_newest(session, new)):
        await plans.create_version(engine, new)
