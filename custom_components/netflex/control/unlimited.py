"""Production without a power limit of its own: off while one holds, or counted (S21).

What the installer chose counts. Counted at full is the default: others yield. Off
means that a relay which may act cuts it off for as long as a limit holds that its
rated power alone could break together with the others.
"""

from collections.abc import Iterator
from dataclasses import replace

from ..model.asset import Asset, Direction, Nature
from ..model.plan import Limit, Quantity, Source
from ..model.snapshot import SiteModel
from . import explain
from .escalation import Actions, usable
from .limits import Limits, installed


def switched_off(site: SiteModel, limits: Limits, actions: Actions) -> Actions:
    """Return the actions with the relays of production that is to be off now."""
    concerned = [
        asset
        for asset in site.assets.values()
        if asset.nature is Nature.INVERTER
        and not asset.controllable
        and asset.off_when_limited
    ]
    if not concerned:
        return actions
    outputs, cut = dict(actions.outputs), dict(actions.cut)
    for asset in concerned:
        limit = next(_binding(site, limits, asset), None)
        if limit is None:
            continue
        for output in site.outputs:
            if asset.id in output.assets and usable(site, output, Direction.PRODUCTION):
                cause = explain.off_without_limit(limit.cause)
                outputs.setdefault(output.asset_id, cause)
                for member in output.assets:
                    cut.setdefault(member, (Direction.PRODUCTION, cause))
    return replace(actions, outputs=outputs, cut=cut)


def _binding(site: SiteModel, limits: Limits, asset: Asset) -> Iterator[Limit]:
    """Yield the limits on production that full production would break."""
    for budget in limits.budgets:
        if (
            budget.direction is Direction.PRODUCTION
            and budget.limit.source is Source.GRID_OPERATOR
            and asset.id in budget.members
            and budget.limit.value
            < installed(site, Direction.PRODUCTION, budget.members)
        ):
            yield budget.limit
    injection = limits.of_site(Quantity.INJECTION)
    if injection is not None and injection.value < installed(
        site, Direction.PRODUCTION
    ):
        yield injection
