// The daily report on the data: what came, what can be believed, and what was wrong.

import { NetflexCard } from "./card.js";
import { clockTime, h, number } from "./lib.js";

/** % below which a figure stands out, as in the repairs. */
const COMPLETE = 95;
const BELIEVED = 99.9;

/** Sources with the one that is worst first; those of which nothing is known come last. */
export function worstFirst(sources) {
  const rank = (source) => {
    const known = [source.completeness, source.plausibility].filter((value) => value !== null);
    return known.length ? Math.min(...known) : Infinity;
  };
  return [...sources].sort((one, other) => rank(one) - rank(other));
}

export class QualityCard extends NetflexCard {
  static style = `
    table { width: 100%; border-collapse: collapse; font-size: .9rem; }
    caption { text-align: left; padding-bottom: 8px; }
    th { text-align: left; font-weight: 500; color: var(--secondary-text-color); }
    tbody th { color: var(--primary-text-color); overflow-wrap: anywhere; }
    th, td { padding: 6px 8px 6px 0; border-bottom: 1px solid var(--divider-color); }
    td, thead th:not(:first-child) { text-align: right; white-space: nowrap; }
    td.bad { color: var(--netflex-bad); font-weight: 500; }
    ul { margin: 10px 0 0; padding-left: 18px; font-size: .9rem; display: grid; gap: 4px; }
  `;

  render(site) {
    const report = site.quality;
    const heading = h("h2", {}, this.t("quality"));
    if (!report) return [heading, h("p", { class: "why" }, this.t("quality_none"))];
    const columns = ["source", "came", "believed", "clock"];
    return [
      heading,
      h(
        "table",
        {},
        h("caption", { class: "why" }, this.t("quality_period", {
          start: clockTime(this.hass, report.start, false),
          end: clockTime(this.hass, report.end, false),
        })),
        h("thead", {}, h("tr", {}, columns.map((name) =>
          h("th", { scope: "col" }, this.t(`quality_${name}`))))),
        h("tbody", {}, worstFirst(report.sources).map((source) => this.row(source))),
      ),
      this.faults(report),
    ];
  }

  row(source) {
    const offset = source.clock_offset;
    return h(
      "tr",
      { key: source.source },
      h("th", { scope: "row" }, source.name),
      this.share(source.completeness, COMPLETE),
      this.share(source.plausibility, BELIEVED),
      h("td", {}, offset === null ? "–" : `${number(this.hass, offset, 1)} s`),
    );
  }

  share(value, good) {
    const bad = value !== null && value < good;
    return h("td", { class: bad ? "bad" : "" }, value === null ? "–" : `${number(this.hass, value, 1)} %`);
  }

  faults(report) {
    if (!report.faults.length) return h("p", { class: "why" }, this.t("quality_good"));
    return h(
      "ul",
      { "aria-label": this.t("problems") },
      report.faults.map((fault) => h("li", {}, fault.name ? `${fault.name}: ${fault.text}` : fault.text)),
    );
  }
}
