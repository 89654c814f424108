"""Charts of closed-loop runs as SVG: power and limits, lines, setpoints, quarters."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

from custom_components.netflex.model.plan import SITE, Quantity, SetpointKind, Source

from .closed_loop import Loop, Sample

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 1000, 190, 62, 190, 24
COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#17becf",
)
POINTS = 1200

type Values = Sequence[float | None]


@dataclass(kw_only=True)
class Panel:
    """One diagram over the time of all."""

    title: str
    unit: str
    series: list[tuple[str, Values, bool]] = field(default_factory=list)
    """Name, values, and whether it is a limit (dashed)."""

    def add(self, name: str, values: Values, *, limit: bool = False) -> None:
        """Add a line, unless it has no value at all."""
        if any(value is not None for value in values):
            self.series.append((name, values, limit))


def chart(loop: Loop, title: str = "") -> str:
    """Return the whole run of a loop as one SVG."""
    samples = _thinned(loop.samples)
    times = [sample.at - loop.samples[0].at for sample in samples]
    panels = [_power(loop, samples), _lines(loop, samples)]
    panels += _setpoints(loop, samples)
    panels += _programmes(loop, samples)
    if loop.quarters:
        panels.append(_quarters(loop, samples))
    height = len(panels) * (HEIGHT + TOP + 26)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' "
        f"font-family='system-ui,sans-serif' font-size='11' role='img'>",
        f"<title>{escape(title)}</title>",
    ]
    for index, panel in enumerate(panels):
        parts.append(_draw(panel, times, index * (HEIGHT + TOP + 26)))
    return "".join([*parts, "</svg>"])


def _thinned(samples: list[Sample]) -> list[Sample]:
    step = max(1, ceil(len(samples) / POINTS))
    return samples[::step]


def _power(loop: Loop, samples: list[Sample]) -> Panel:
    panel = Panel(title="Connection point, import positive", unit="kW")
    panel.add("power", [sample.power / 1000 for sample in samples])
    for quantity, sign in ((Quantity.IMPORT, 1), (Quantity.INJECTION, -1)):
        values: list[float | None] = []
        soft: list[float | None] = []
        for sample in samples:
            found = [
                limit
                for limit in sample.plan.limits
                if limit.scope == SITE and limit.quantity is quantity
            ]
            hard = [x.value for x in found if x.source < Source.CAPACITY_TARIFF]
            tariff = [x.value for x in found if x.source is Source.CAPACITY_TARIFF]
            values.append(sign * min(hard) / 1000 if hard else None)
            soft.append(tariff[0] / 1000 if tariff else None)
        panel.add(f"{quantity} limit", values, limit=True)
        panel.add("capacity tariff", soft, limit=True)
    return panel


def _lines(loop: Loop, samples: list[Sample]) -> Panel:
    panel = Panel(title="Lines", unit="A")
    for index, line in enumerate(loop.site.connection.lines):
        panel.add(line, [sample.currents[index] for sample in samples])
    fuse = loop.site.connection.main_fuse
    panel.add("fuse", [fuse] * len(samples), limit=True)
    return panel


_PANELS = {
    SetpointKind.CURRENT: ("Chargers: setpoints", "A", 1.0),
    SetpointKind.POWER: ("Batteries: setpoints, charging positive", "kW", 1000.0),
    SetpointKind.PRODUCTION: ("Inverters: most production", "kW", 1000.0),
    SetpointKind.SWITCH: ("Loads and relays", "on", 1.0),
}


def _setpoints(loop: Loop, samples: list[Sample]) -> list[Panel]:
    panels = []
    kinds = {
        asset_id: setpoint.kind
        for asset_id, setpoint in samples[-1].plan.setpoints.items()
    }
    for kind, (title, unit, scale) in _PANELS.items():
        panel = Panel(title=title, unit=unit)
        for asset_id in [key for key, found in kinds.items() if found is kind][:8]:
            values: list[float | None] = []
            for sample in samples:
                setpoint = sample.plan.setpoints.get(asset_id)
                value = None if setpoint is None else setpoint.value
                values.append(None if value is None else value / scale)
            panel.add(asset_id, values)
            if kind is SetpointKind.PRODUCTION:
                made = [-sample.devices[asset_id] / scale for sample in samples]
                panel.add(f"{asset_id} produces", made)
        if panel.series:
            panels.append(panel)
    return panels


def _programmes(loop: Loop, samples: list[Sample]) -> list[Panel]:
    """Return what batteries with programmes hold, and what their modes go by."""
    followed = samples[-1].plan.programmes
    if not followed:
        return []
    charge = Panel(title="Batteries: charge", unit="%")
    for asset_id in followed:
        charge.add(asset_id, [sample.charges.get(asset_id) for sample in samples])
    panels = [charge]
    for name, signal in loop.signals.items():
        title, _, unit = name.partition(" in ")
        panel = Panel(title=title, unit=unit)
        panel.add(title, [signal(sample.at) for sample in samples])
        panels.append(panel)
    modes = sorted(
        {
            state.effective
            for sample in samples
            for state in sample.plan.programmes.values()
            if state.effective is not None
        }
    )
    shown = Panel(title="Effective modes", unit="on")
    for index, mode in enumerate(modes):
        on = [
            any(state.effective is mode for state in sample.plan.programmes.values())
            for sample in samples
        ]
        # Beside each other, so that every one is seen.
        shown.add(mode, [index + 0.8 if value else float(index) for value in on])
    return [*panels, shown] if modes else panels


def _quarters(loop: Loop, samples: list[Sample]) -> Panel:
    """Return each quarter's demand over its own time, and what is free."""
    panel = Panel(title="Quarter hours: demand", unit="kW")
    ends = _ends(loop)
    values: list[float | None] = []
    for sample in samples:
        index = next((i for i, end in enumerate(ends) if sample.at < end), None)
        values.append(None if index is None else loop.quarters[index] / 1000)
    panel.add("demand", values)
    free = [
        None if (found := sample.plan.capacity) is None else found.free / 1000
        for sample in samples
    ]
    panel.add("free", free, limit=True)
    return panel


def _ends(loop: Loop) -> list[float]:
    first = loop.samples[0].at
    end = (floor(first / 900) + 1) * 900.0
    return [end + index * 900.0 for index in range(len(loop.quarters))]


def _draw(panel: Panel, times: list[float], top: float) -> str:
    values = [v for _, line, _ in panel.series for v in line if v is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    low, high, step = _scale(low, high)
    last = max(times[-1], 1.0)

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / last

    def y(value: float) -> float:
        return top + TOP + HEIGHT * (high - value) / (high - low)

    parts = [
        f"<text x='{LEFT}' y='{top + 15:.0f}' font-size='13'>{escape(panel.title)} "
        f"[{panel.unit}]</text>"
    ]
    ticks = round((high - low) / step)
    for index in range(ticks + 1):
        value = low + index * step
        parts.append(
            f"<path d='M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}' stroke='#ddd'/>"
            f"<text x='{LEFT - 6}' y='{y(value) + 4:.1f}' text-anchor='end'>"
            f"{value:g}</text>"
        )
    for index in range(7):
        at = last * index / 6
        parts.append(
            f"<text x='{x(at):.0f}' y='{top + TOP + HEIGHT + 14:.0f}' "
            f"text-anchor='middle'>{_clock(at)}</text>"
        )
    for index, (name, line, limit) in enumerate(panel.series):
        colour = "#d62728" if limit else COLOURS[index % len(COLOURS)]
        dash = " stroke-dasharray='5 3'" if limit else ""
        path = _path(
            [
                (x(t), y(v)) if v is not None else None
                for t, v in zip(times, line, strict=True)
            ]
        )
        parts.append(
            f"<path d='{path}' fill='none' stroke='{colour}' stroke-width='1.3'"
            f"{dash}/><text x='{WIDTH - RIGHT + 8}' y='{top + TOP + 12 + 15 * index}' "
            f"fill='{colour}'>{escape(name)}</text>"
        )
    return "".join(parts)


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """Return steps: a value holds until the next one."""
    parts, pen = [], False
    for point in points:
        if point is None:
            pen = False
            continue
        at, value = point
        parts.append(f"H{at:.1f}V{value:.1f}" if pen else f"M{at:.1f} {value:.1f}")
        pen = True
    return "".join(parts)


def _scale(low: float, high: float) -> tuple[float, float, float]:
    if high - low < 1e-3:
        high = low + 1.0
    span = high - low
    magnitude = 10 ** floor(log10(span / 4))
    step = next(m * magnitude for m in (1, 2, 5, 10) if span / (m * magnitude) <= 6)
    return floor(low / step) * step, ceil(high / step + 1e-9) * step, step


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}" if hours else f"{minutes}:{rest:02d}"
