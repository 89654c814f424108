// The running quarter hour: so far, forecast, target and the month's peak.

import { NetflexCard } from "./card.js";
import { clockTime, duration, h, kilowatt, money, number } from "./lib.js";

const CENTRE = 110;
const RADIUS = 90;

/** The point of a half circle at a share 0..1, from left to right. */
export function point(share, radius = RADIUS) {
  const angle = Math.PI * (1 - Math.max(0, Math.min(1, share)));
  const round = (value) => Math.round(value * 100) / 100;
  return [round(CENTRE + radius * Math.cos(angle)), round(CENTRE - radius * Math.sin(angle))];
}

/** An SVG arc between two shares. */
export function arc(from, to) {
  const [x1, y1] = point(from);
  const [x2, y2] = point(to);
  return `M${x1} ${y1} A${RADIUS} ${RADIUS} 0 0 1 ${x2} ${y2}`;
}

/** The end of the scale in W: a round figure above everything that is shown. */
export function scaleEnd(demand) {
  const most = Math.max(demand.target || 0, demand.forecast, demand.average, demand.month_peak || 0, 2500);
  const step = most > 20000 ? 10000 : most > 8000 ? 5000 : 1000;
  return Math.ceil((most * 1.1) / step) * step;
}

export class DemandCard extends NetflexCard {
  static style = `
    svg { width: 100%; max-width: 320px; display: block; margin: 0 auto; }
    .track { fill: none; stroke: var(--secondary-background-color); stroke-width: 16; }
    .so-far { fill: none; stroke: var(--energy-grid-consumption-color, #488fc2); stroke-width: 16; }
    .forecast { fill: none; stroke-width: 6; stroke: var(--netflex-good); }
    .forecast.bad { stroke: var(--netflex-bad); }
    .mark { stroke: var(--primary-text-color); stroke-width: 3; }
    .mark.peak { stroke: var(--netflex-warn); }
    text { fill: var(--primary-text-color); text-anchor: middle; }
    .big { font-size: 26px; font-weight: 500; } .small { font-size: 11px; fill: var(--secondary-text-color); }
    dl { display: grid; grid-template-columns: 1fr auto; gap: 4px 12px; margin: 8px 0 0; font-size: .9rem; }
    dt { color: var(--secondary-text-color); } dd { margin: 0; text-align: right; }
    dt i { display: inline-block; width: 10px; height: 10px; margin-right: 6px; border-radius: 2px; }
  `;

  render(site) {
    const demand = site.demand;
    if (!demand) return [h("h2", {}, this.t("quarter")), h("p", { class: "why" }, this.t("no_demand"))];
    const end = scaleEnd(demand);
    const over = demand.forecast > demand.target;
    const rows = [
      ["forecast", kilowatt(this.hass, demand.forecast), over ? "var(--netflex-bad)" : "var(--netflex-good)"],
      ["target", kilowatt(this.hass, demand.target), "var(--primary-text-color)"],
      ["month_peak", this.peak(demand), "var(--netflex-warn)"],
      ["headroom", kilowatt(this.hass, demand.headroom)],
      ["billed", kilowatt(this.hass, demand.billed)],
      ["cost", demand.cost === null ? null : money(this.hass, demand.cost)],
    ].filter(([, value]) => value !== null);
    return [
      h("h2", {}, this.t("quarter")),
      h(
        "svg",
        {
          viewBox: "0 0 220 128",
          role: "img",
          "aria-label": `${this.t("so_far")} ${kilowatt(this.hass, demand.average)}, ${rows
            .map(([key, value]) => `${this.t(key)} ${value}`)
            .join(", ")}`,
        },
        h("path", { class: "track", d: arc(0, 1) }),
        h("path", { class: "so-far", d: arc(0, demand.average / end) }),
        h("path", { class: over ? "forecast bad" : "forecast", d: arc(Math.min(demand.average, demand.forecast) / end, Math.max(demand.average, demand.forecast) / end) }),
        this.mark(demand.target / end, "mark"),
        demand.month_peak === null ? null : this.mark(demand.month_peak / end, "mark peak"),
        h("text", { class: "big", x: CENTRE, y: 92 }, kilowatt(this.hass, demand.average)),
        h("text", { class: "small", x: CENTRE, y: 110 }, this.remaining(demand)),
        h("text", { class: "small", x: 20, y: 126 }, "0"),
        h("text", { class: "small", x: 200, y: 126 }, number(this.hass, end / 1000)),
      ),
      h(
        "dl",
        {},
        rows.map(([key, value, colour]) => [
          h("dt", {}, colour ? h("i", { style: `background:${colour}` }) : null, this.t(key)),
          h("dd", {}, value),
        ]),
      ),
      demand.complete ? null : h("p", { class: "why" }, this.t("incomplete")),
    ];
  }

  mark(share, className) {
    const [x1, y1] = point(share, RADIUS - 12);
    const [x2, y2] = point(share, RADIUS + 12);
    return h("line", { class: className, x1, y1, x2, y2 });
  }

  remaining(demand) {
    return this.t("remaining", { time: duration(this.hass, Math.max(0, 900 - demand.elapsed)) });
  }

  peak(demand) {
    if (demand.month_peak === null) return null;
    const at = demand.month_peak_at ? ` (${clockTime(this.hass, demand.month_peak_at, false)})` : "";
    return `${kilowatt(this.hass, demand.month_peak)}${at}`;
  }
}
