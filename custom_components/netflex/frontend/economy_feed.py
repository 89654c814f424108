"""What the cards are told of programmes, prices and dispatch."""

from typing import Any, Final

from ..model.market import PriceSeries
from ..site.economy import DispatchProof
from ..site.view import SiteView
from ..view_values import shown_preview
from ..words import Words

PRICES_SHOWN: Final = 400
"""Slots of a series: two days of quarters and some more."""


def has_economy(view: SiteView) -> bool:
    """Whether there is anything to tell."""
    market = view.economy.market
    return bool(
        view.programmes
        or view.economy.dispatches
        or view.dispatch_proofs
        or market.import_price
        or market.export_price
        or view.market.imbalance
    )


def economy_message(view: SiteView, words: Words) -> dict[str, Any] | None:
    """Return programmes, prices and dispatch; None where there is none of them.

    Prices per kWh, powers in W, energy in Wh, times in ISO 8601.
    """
    economy, now = view.economy, view.market
    if not has_economy(view):
        return None
    imbalance = now.imbalance
    return {
        "programmes": {
            asset_id: _programme(view, asset_id, words) for asset_id in view.programmes
        },
        "import_price": None
        if now.import_price is None
        else _kwh(now.import_price.value),
        "export_price": None
        if now.export_price is None
        else _kwh(now.export_price.value),
        "import_prices": _series(economy.market.import_price),
        "imbalance": None
        if imbalance is None
        else {
            "price": imbalance.price,
            "volume": imbalance.volume,
            "quality": imbalance.quality.value,
            "start": imbalance.start.isoformat(),
        },
        "dispatches": [
            {
                "source": economy.names.get(item.source, item.source),
                "action": item.action.value,
                "power": item.power,
                "start": item.start.isoformat(),
                "end": item.end.isoformat(),
                "active": item in now.dispatches,
            }
            for item in economy.dispatches
        ],
        "proofs": [_proof(item) for item in view.dispatch_proofs],
    }


def _programme(view: SiteView, asset_id: str, words: Words) -> dict[str, Any]:
    """Return how a programme stands, and what it has in store."""
    plan = view.plan
    standing = None if plan is None else plan.programmes.get(asset_id)
    message: dict[str, Any] = {
        "followed": standing is not None,
        "preview": shown_preview(view.previews.get(asset_id, ())),
    }
    if standing is not None:
        message |= {
            "active": None if standing.active is None else standing.active.value,
            "effective": None
            if standing.effective is None
            else standing.effective.value,
            "wish": standing.wish,
            "constraints": sorted(item.value for item in standing.constraints),
            "inactive": [
                {"mode": item.mode.value, "text": words.say(item.text)}
                for item in standing.inactive
            ],
        }
    return message


def _proof(proof: DispatchProof) -> dict[str, Any]:
    return {
        "source": proof.name,
        "action": proof.command.action.value,
        "start": proof.command.start.isoformat(),
        "end": None if proof.ended is None else proof.ended.isoformat(),
        "delivered": round(proof.delivered) if proof.proved else None,
        "baseline": None if proof.baseline is None else round(proof.baseline),
    }


def _series(series: PriceSeries | None) -> list[list[Any]]:
    """Return start, end and price of every slot."""
    if series is None:
        return []
    return [
        [slot.start.isoformat(), slot.end.isoformat(), _kwh(slot.value)]
        for slot in series.slots[:PRICES_SHOWN]
    ]


def _kwh(per_mwh: float) -> float:
    return round(per_mwh / 1000, 6)
