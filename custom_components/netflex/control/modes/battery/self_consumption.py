"""Self-consumption with a reserve: the connection point is kept at zero.

What would be injected is stored, what would be imported is delivered down to the
reserve. Nothing is left to the modes after it.
"""

from dataclasses import replace

from ....model.programme import SelfConsumption
from ... import explain
from .view import Answer, BatteryView, exactly


def wish(view: BatteryView, parameters: SelfConsumption) -> Answer:
    """Wish for nothing at the connection point."""
    need = view.need
    if need < 0 and parameters.reserve > 0:
        charge = view.charge
        band = 0.0 if (view.told or 0.0) < 0 else view.tuning.charge_band
        if charge is None or charge <= parameters.reserve + band:
            known = None if charge is None else int(charge)
            return exactly(0.0, explain.reserve(known, parameters.reserve))
    wanted = exactly(need, explain.self_consumption(), gradual=True)
    return replace(wanted, shared=True)
