// The grid operator's orders: ordered, applied, measured, over the flow of an hour.

import { NetflexCard } from "./card.js";
import { clockTime, duration, h, kilowatt, number } from "./lib.js";

const WIDTH = 600;
const HEIGHT = 150;
const GAP = 30;

/** The extent of a chart of samples: times in s, powers in W, zero always inside. */
export function extent(samples) {
  const times = samples.map((sample) => sample[0]);
  const values = [0];
  for (const [, power, limit, injection] of samples) {
    if (power !== null) values.push(power);
    if (limit !== null) values.push(limit);
    if (injection !== null) values.push(-injection);
  }
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = Math.max((high - low) * 0.08, 250);
  return {
    from: Math.min(...times),
    to: Math.max(...times, Math.min(...times) + 60),
    low: low - margin,
    high: high + margin,
  };
}

/** SVG paths of one series; where it is unknown the line is interrupted. */
export function paths(samples, pick, place, step = false) {
  const drawn = [];
  let open = null;
  let before = null;
  for (const sample of samples) {
    const value = pick(sample);
    const gap = before !== null && sample[0] - before > GAP;
    before = sample[0];
    if (value === null || gap) {
      if (open) drawn.push(open.join(" "));
      open = null;
    }
    if (value === null) continue;
    const [x, y] = place(sample[0], value);
    if (!open) open = [`M${x} ${y}`];
    else open.push(step ? `H${x} V${y}` : `L${x} ${y}`);
  }
  if (open) drawn.push(open.join(" "));
  return drawn.join(" ");
}

/** What the measurements say of one past order: a key of the strings and a tone. */
export function verdict(order) {
  if (!order.accepted) return { key: "refused", tone: "bad" };
  const compliance = order.compliance;
  if (!compliance) return { key: "label_only", tone: "" };
  const tones = { inside: "good", pending: "", violated: "bad", infeasible: "bad", unknown: "warn" };
  return { key: `compliance_${compliance.state}`, tone: tones[compliance.state] || "" };
}

export class TimelineCard extends NetflexCard {
  static style = `
    svg { width: 100%; height: auto; display: block; overflow: visible; }
    .axis { stroke: var(--divider-color); stroke-width: 1; }
    .measured { fill: none; stroke: var(--energy-grid-consumption-color, #488fc2); stroke-width: 2; }
    .bound { fill: none; stroke: var(--netflex-bad); stroke-width: 1.5; stroke-dasharray: 6 4; }
    .order { stroke: var(--netflex-warn); stroke-width: 1.5; }
    svg text { font-size: 11px; fill: var(--secondary-text-color);
      paint-order: stroke; stroke: var(--card-background-color, transparent); stroke-width: 3px; }
    @container (max-width: 460px) { svg { margin-bottom: 10px; } svg text { font-size: 20px; } }
    .legend { display: flex; gap: 16px; flex-wrap: wrap; font-size: .8rem; margin: 4px 0 10px;
      color: var(--secondary-text-color); }
    .legend i { display: inline-block; width: 18px; height: 0; border-top: 3px solid; margin-right: 6px;
      vertical-align: middle; }
    .scroll { overflow-x: auto; max-height: 320px; overflow-y: auto; }
    .scroll:focus-visible { outline: 2px solid var(--primary-color); }
    table { border-collapse: collapse; width: 100%; font-size: .85rem; }
    th { text-align: left; font-weight: 500; color: var(--secondary-text-color); position: sticky; top: 0;
      background: var(--card-background-color); }
    th, td { padding: 5px 8px 5px 0; border-bottom: 1px solid var(--divider-color); vertical-align: top; }
    td.number { white-space: nowrap; }
    tr.past td { color: var(--secondary-text-color); }
    .good { color: var(--netflex-good); } .bad { color: var(--netflex-bad); }
    .warn { color: var(--netflex-warn); }
    .label { display: none; }
    @container (max-width: 460px) {
      table, tbody, tr, td { display: block; }
      thead { display: none; }
      tr { padding: 6px 0; border-bottom: 1px solid var(--divider-color); }
      td { border: 0; padding: 1px 0; overflow-wrap: anywhere; }
      .label { display: inline; color: var(--secondary-text-color); }
    }
  `;

  render(site) {
    return [
      h("h2", {}, this.t("orders")),
      site.samples && site.samples.length > 1 ? this.chart(site) : null,
      this.table(site.timeline || []),
    ];
  }

  chart(site) {
    const samples = site.samples;
    const { from, to, low, high } = extent(samples);
    const x = (time) => Math.round((((time - from) / (to - from)) * WIDTH) * 10) / 10;
    const y = (value) => Math.round((HEIGHT - ((value - low) / (high - low)) * HEIGHT) * 10) / 10;
    const place = (time, value) => [x(time), y(value)];
    const orders = (site.timeline || [])
      .map((order) => [Date.parse(order.at) / 1000, order])
      .filter(([time]) => time >= from && time <= to);
    const newest = samples[samples.length - 1];
    return [
      h(
        "svg",
        { viewBox: `0 0 ${WIDTH} ${HEIGHT + 16}`, role: "img", "aria-label": this.chartText(newest) },
        h("line", { class: "axis", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }),
        orders.map(([time, order]) =>
          h(
            "line",
            { class: "order", x1: x(time), x2: x(time), y1: 0, y2: HEIGHT },
            h("title", {}, `${this.t(`order_${order.name}`)} ${this.valueOf(order)}`),
          ),
        ),
        h("path", { class: "bound", d: paths(samples, (s) => s[2], place, true) }),
        h("path", { class: "bound", d: paths(samples, (s) => (s[3] === null ? null : -s[3]), place, true) }),
        h("path", { class: "measured", d: paths(samples, (s) => s[1], place) }),
        h("text", { x: 2, y: 2, "dominant-baseline": "hanging" }, kilowatt(this.hass, high)),
        h("text", { x: 2, y: HEIGHT - 3 }, kilowatt(this.hass, low)),
        h("text", { x: 0, y: HEIGHT + 3, "dominant-baseline": "hanging" }, clockTime(this.hass, new Date(from * 1000).toISOString(), false)),
        h(
          "text",
          { x: WIDTH, y: HEIGHT + 3, "dominant-baseline": "hanging", "text-anchor": "end" },
          clockTime(this.hass, new Date(to * 1000).toISOString(), false),
        ),
      ),
      h(
        "div",
        { class: "legend", "aria-hidden": "true" },
        this.legend("var(--energy-grid-consumption-color, #488fc2)", "measured_import"),
        this.legend("var(--netflex-bad)", "limits"),
        this.legend("var(--netflex-warn)", "order"),
      ),
    ];
  }

  legend(colour, key) {
    return h("span", {}, h("i", { style: `border-color:${colour}` }), this.t(key));
  }

  chartText([, power, limit, injection]) {
    const part = (key, value) => `${this.t(key)} ${value === null ? "–" : kilowatt(this.hass, value)}`;
    return [
      part("measured_import", power),
      part("limit_import", limit),
      part("limit_injection", injection),
    ].join(", ");
  }

  table(orders) {
    if (!orders.length) return h("p", { class: "why" }, this.t("no_orders"));
    return h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": this.t("orders") },
      h(
        "table",
        // The roles are said because rows that stack lose their own.
        { role: "table" },
        h(
          "thead",
          { role: "rowgroup" },
          h(
            "tr",
            { role: "row" },
            ["time", "ordered", "applied", "measured"].map((key) =>
              h("th", { scope: "col", role: "columnheader" }, this.t(key)),
            ),
          ),
        ),
        h("tbody", { role: "rowgroup" }, orders.map((order) => this.row(order))),
      ),
    );
  }

  row(order) {
    const { key, tone } = verdict(order);
    const compliance = order.compliance;
    const measured = [this.t(key)];
    if (compliance && compliance.seconds !== null) {
      const time = duration(this.hass, compliance.seconds);
      measured.push(compliance.seconds > 0 ? this.t("within", { time }) : this.t("from_the_start"));
    }
    if (compliance && compliance.state === "violated" && compliance.measured !== null) {
      measured.push(`${kilowatt(this.hass, compliance.measured)} > ${kilowatt(this.hass, compliance.limit)}`);
    }
    if (!order.accepted && order.reason) measured.push(order.reason);
    return h(
      "tr",
      { class: order.open ? "" : "past", key: `${order.at}${order.name}`, role: "row" },
      h("td", { class: "number", role: "cell" }, clockTime(this.hass, order.at)),
      h("td", { role: "cell" }, `${this.t(`order_${order.name}`)} `, h("b", {}, this.valueOf(order)), this.sourceOf(order)),
      h("td", { class: "number", role: "cell" }, this.label("applied"), order.accepted ? duration(this.hass, order.applied) : "–"),
      h("td", { class: tone, role: "cell" }, this.label("measured"), measured.join(", ")),
    );
  }

  /** What stands above a column, beside its cell where rows are stacked. */
  label(key) {
    return h("span", { class: "label" }, `${this.t(key)}: `);
  }

  sourceOf(order) {
    return order.source === "operator" ? null : h("div", { class: "why" }, this.t(`source_${order.source}`));
  }

  valueOf(order) {
    if (typeof order.value === "boolean") return this.t(order.value ? "on" : "off");
    if (order.name === "q_mode") return this.t(`q_${order.value}`);
    if (order.value === null) return "–";
    const percent = ["minsetp", "maxsetp", "maxsetap", "minsetap"].includes(order.name);
    return `${number(this.hass, order.value)}${percent ? " %" : ""}`;
  }
}
