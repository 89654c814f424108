// What batteries are used for: now, why not otherwise, and in the coming 48 hours.

import { NetflexCard } from "./card.js";
import { clockTime, dayIn, duration, h, kilowatt, number } from "./lib.js";

const WIDTH = 480;
const ROW = 22;
const COLOURS = [
  "var(--primary-color, #03a9f4)",
  "var(--netflex-good)",
  "var(--netflex-warn)",
  "var(--energy-battery-out-color, #4db6ac)",
  "var(--energy-battery-in-color, #f06292)",
  "var(--energy-grid-return-color, #8353d1)",
];

/** The modes of a preview in the order in which they come first. */
export function modesOf(preview) {
  return [...new Set(preview.flatMap((slot) => slot.modes))];
}

/** Each mode's spans of a preview as shares 0..1 of its whole time. */
export function spansOf(preview, mode) {
  if (!preview.length) return [];
  const from = Date.parse(preview[0].start);
  const whole = Date.parse(preview[preview.length - 1].end) - from;
  const spans = [];
  for (const slot of preview) {
    if (!slot.modes.includes(mode)) continue;
    const start = (Date.parse(slot.start) - from) / whole;
    const end = (Date.parse(slot.end) - from) / whole;
    const last = spans[spans.length - 1];
    if (last && last[1] >= start) last[1] = end;
    else spans.push([start, end]);
  }
  return spans;
}

const QUARTER = 15 * 60 * 1000;

/** Midnights of a preview as shares 0..1 of its whole time, in the reader's own time. */
export function midnightsOf(hass, preview) {
  if (!preview.length) return [];
  const from = Date.parse(preview[0].start);
  const to = Date.parse(preview[preview.length - 1].end);
  const found = [];
  const day = dayIn(hass);
  // Every zone's midnight is at a full quarter of an hour.
  for (let at = (Math.floor(from / QUARTER) + 1) * QUARTER; at < to; at += QUARTER) {
    if (day(at) !== day(at - QUARTER)) found.push((at - from) / (to - from));
  }
  return found;
}

export class ProgrammeCard extends NetflexCard {
  static style = `
    h3 { font-size: 1rem; font-weight: 500; margin: 14px 0 4px; display: flex; gap: 8px; flex-wrap: wrap;
      align-items: center; }
    dl { display: grid; grid-template-columns: auto 1fr; gap: 4px 12px; margin: 4px 0; font-size: .9rem; }
    dt { color: var(--secondary-text-color); } dd { margin: 0; }
    svg { width: 100%; display: block; margin: 6px 0; overflow: visible; }
    svg text { font-size: 11px; fill: var(--primary-text-color); }
    .midnight { stroke: var(--divider-color); stroke-width: 1; }
    ul { margin: 4px 0; padding-left: 18px; font-size: .85rem; }
    @container (max-width: 460px) { svg { margin-bottom: 10px; } svg text { font-size: 17px; } }
  `;

  render(site) {
    const economy = site.economy;
    const heading = h("h2", {}, this.t("programme"));
    if (!economy) return [heading, h("p", { class: "why" }, this.t("no_programme"))];
    return [
      heading,
      this.market(site, economy),
      Object.entries(economy.programmes).map(([id, item]) => this.battery(site, id, item)),
      this.dispatches(economy),
    ];
  }

  market(site, economy) {
    const money = (value) => `${number(this.hass, value, 4)} ${site.currency}/kWh`;
    const rows = [];
    if (economy.import_price !== null) rows.push(["price_import", money(economy.import_price)]);
    if (economy.export_price !== null) rows.push(["price_export", money(economy.export_price)]);
    if (economy.imbalance) {
      const { price, volume } = economy.imbalance;
      const parts = [];
      if (price !== null) parts.push(`${number(this.hass, price, 2)} ${site.currency}/MWh`);
      if (volume !== null) {
        const side = this.t(volume > 0 ? "system_short" : "system_long");
        parts.push(`${number(this.hass, Math.abs(volume))} MW ${side}`);
      }
      rows.push(["imbalance", parts.join(", ") || "–"]);
    }
    return rows.length ? this.list(rows) : null;
  }

  list(rows) {
    return h("dl", {}, rows.map(([key, value]) => [h("dt", {}, this.t(key)), h("dd", {}, value)]));
  }

  battery(site, id, item) {
    const subject = (site.subjects && site.subjects[id]) || { name: id };
    const name = (mode) => (mode ? this.t(`mode_${mode}`) : this.t("idle"));
    const bound = item.constraints || [];
    const rows = item.followed
      ? [
          ["mode_active", name(item.active)],
          ["mode_effective", name(item.effective)],
          ["wish", item.wish === null ? "–" : kilowatt(this.hass, item.wish)],
        ]
      : [["mode_active", this.t("not_followed")]];
    return h(
      "section",
      { key: id },
      h(
        "h3",
        {},
        subject.name,
        bound.map((key) => h("span", { class: "chip warn" }, this.t(`bound_${key}`))),
      ),
      this.list(rows),
      this.ahead(item.preview),
      (item.inactive || []).length
        ? h("ul", { class: "why" }, item.inactive.map((one) => h("li", {}, `${name(one.mode)}: ${one.text}`)))
        : null,
    );
  }

  ahead(preview) {
    const modes = modesOf(preview);
    if (!modes.length) return null;
    const height = modes.length * ROW;
    const round = (value) => Math.round(value * 10) / 10;
    const words = preview.map((slot) => {
      const names = slot.modes.map((mode) => this.t(`mode_${mode}`)).join(", ") || this.t("idle");
      return `${clockTime(this.hass, slot.start, false)} ${names}`;
    });
    return h(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${height + 16}`, role: "img", "aria-label": `${this.t("preview")}: ${words.join("; ")}` },
      midnightsOf(this.hass, preview).map((share) =>
        h("line", { class: "midnight", x1: round(share * WIDTH), x2: round(share * WIDTH), y1: 0, y2: height }),
      ),
      modes.map((mode, row) => [
        spansOf(preview, mode).map(([start, end]) =>
          h("rect", {
            x: round(start * WIDTH),
            y: row * ROW + 2,
            width: Math.max(2, round((end - start) * WIDTH)),
            height: ROW - 4,
            rx: 4,
            fill: COLOURS[row % COLOURS.length],
            opacity: 0.35,
          }),
        ),
        h("text", { x: 6, y: row * ROW + 15 }, this.t(`mode_${mode}`)),
      ]),
      h("text", { x: 0, y: height + 13 }, clockTime(this.hass, preview[0].start, false)),
      h("text", { x: WIDTH, y: height + 13, "text-anchor": "end" }, this.t("in_48_hours")),
    );
  }

  dispatches(economy) {
    const ordered = economy.dispatches.map((item) => {
      const span = `${clockTime(this.hass, item.start, false)}–${clockTime(this.hass, item.end, false)}`;
      const power = item.power === null ? "" : ` ${kilowatt(this.hass, item.power)}`;
      const active = item.active ? h("span", { class: "chip good" }, this.t("now")) : null;
      return h("li", {}, `${item.source}: ${this.t(`action_${item.action}`)}${power}, ${span} `, active);
    });
    const proved = economy.proofs.map((item) => {
      const energy =
        item.delivered === null ? this.t("no_proof") : `${number(this.hass, item.delivered / 1000, 2)} kWh`;
      const long = (Date.parse(item.end || new Date().toISOString()) - Date.parse(item.start)) / 1000;
      return h("li", {}, `${item.source}: ${energy} (${duration(this.hass, long)})`);
    });
    return [
      ordered.length ? [h("h3", {}, this.t("dispatch")), h("ul", {}, ordered)] : null,
      proved.length ? [h("h3", {}, this.t("delivered")), h("ul", {}, proved)] : null,
    ];
  }
}
