// The dashboard that builds itself from what the sites have.

import { pageLanguage, translate } from "./strings.js";

const PER_KIND = {
  charger: ["user_limit", "charger_mode", "charger_state", "power", "setpoint", "problem_reason"],
  battery: ["power", "state_of_charge", "mode", "effective_mode", "bound_by", "setpoint", "problem_reason"],
  inverter: ["production", "setpoint", "applied_power_limit", "problem_reason"],
  load: ["power", "allowed", "setpoint", "problem_reason"],
  relay: ["energised", "setpoint", "problem_reason"],
  dispatch_source: ["dispatch_active", "delivered_energy", "next_dispatch"],
  meter: ["power", "line_current_l1", "line_current_l2", "line_current_l3", "energy_import", "energy_export"],
};
const SITE_ROWS = [
  "status",
  "grid_order",
  "stop_production",
  "stop_consumption",
  "stop_production_proof",
  "stop_consumption_proof",
];
const FIGURE_ROWS = [
  "saved_today",
  "saved_month",
  "tariff_saved_month",
  "peak_avoided_month",
  "self_sufficiency_today",
  "self_use_today",
  "cycles_month",
  "round_trip_month",
  "missed_month",
];

function tiles(site, subject, keys) {
  return keys
    .map((key) => site.entities[`${subject}_${key}`])
    .filter(Boolean)
    .map((entity) => ({ type: "tile", entity, name: { type: "entity" } }));
}

/** What the batteries bring: tiles, and charts of the days of a month. */
function figures(site, t) {
  const rows = tiles(site, site.entry_id, FIGURE_ROWS);
  if (!rows.length) return { cards: [] };
  const chart = (title, keys, stat, type) => ({
    type: "statistics-graph",
    title,
    entities: keys.map((key) => site.entities[`${site.entry_id}_${key}`]).filter(Boolean),
    stat_types: [stat],
    chart_type: type,
    period: "day",
    days_to_show: 31,
    grid_options: { columns: "full", rows: "auto" },
  });
  const charts = [
    chart(t("figures_money"), ["saved_today"], "change", "bar"),
    chart(t("figures_shares"), ["self_sufficiency_today", "self_use_today"], "max", "line"),
  ];
  return {
    type: "grid",
    cards: [
      { type: "heading", heading: t("figures"), icon: "mdi:piggy-bank" },
      ...rows,
      ...charts.filter((item) => item.entities.length),
    ],
  };
}

/** The view of one site, as a dashboard's configuration. */
export function siteView(site, language) {
  const t = (key) => translate(language, key);
  const card = (type, columns, extra = {}) => ({
    type: `custom:netflex-${type}-card`,
    entry_id: site.entry_id,
    grid_options: { columns, rows: "auto" },
    ...extra,
  });
  const main = { type: "grid", column_span: 2, cards: [card("site", "full")] };
  if (site.economy) main.cards.push(card("programme", "full"));
  const aside = { type: "grid", cards: [] };
  if (site.telecontrol) {
    main.cards.push(card("timeline", "full"));
    aside.cards.push(card("link", "full"));
  }
  if (site.demand) aside.cards.unshift(card("demand", "full"));
  // Whole lines: halves would cut off what a state says.
  const controls = tiles(site, site.entry_id, SITE_ROWS).map((tile) => ({
    ...tile,
    grid_options: { columns: "full" },
  }));
  if (controls.length) {
    aside.cards.push({ type: "heading", heading: t("controls"), icon: "mdi:transmission-tower" }, ...controls);
  }
  aside.cards.push(card("quality", "full"));
  const devices = Object.entries(site.subjects)
    .map(([id, subject]) => ({ subject, cards: tiles(site, id, PER_KIND[subject.kind] || []) }))
    .filter(({ cards }) => cards.length)
    .map(({ subject, cards }) => ({
      type: "grid",
      cards: [{ type: "heading", heading: subject.name }, ...cards],
    }));
  return {
    title: site.title,
    path: `site-${site.entry_id.toLowerCase()}`,
    icon: "mdi:transmission-tower",
    type: "sections",
    max_columns: 3,
    sections: [main, aside, figures(site, t), ...devices].filter((section) => section.cards.length),
  };
}

/** What somebody who lives there wants to know of a site, on one page. */
export function houseView(site, language) {
  return {
    title: translate(language, "house"),
    path: `house-${site.entry_id.toLowerCase()}`,
    icon: "mdi:home-heart",
    type: "sections",
    max_columns: 1,
    sections: [
      {
        type: "grid",
        cards: [
          {
            type: "custom:netflex-house-card",
            entry_id: site.entry_id,
            grid_options: { columns: "full", rows: "auto" },
          },
        ],
      },
    ],
  };
}

/** The dashboard of all sites. */
export function dashboard(sites, language) {
  if (!sites.length) {
    const content = translate(language, "no_site");
    return { views: [{ title: "Netflex", cards: [{ type: "markdown", content }] }] };
  }
  const views = sites.flatMap((site) => [siteView(site, language), houseView(site, language)]);
  if (sites.length === 1) return { title: "Netflex", views };
  // Icons alone would not tell one site from the other.
  const named = views.map((view, index) => {
    const { title } = sites[Math.floor(index / 2)];
    return { ...view, title: index % 2 ? `${title}: ${view.title}` : title, show_icon_and_title: true };
  });
  return { title: "Netflex", views: named };
}

class NetflexDashboardStrategy extends HTMLElement {
  static async generate(_config, hass) {
    const sites = await hass.connection.sendMessagePromise({ type: "netflex/sites" });
    return dashboard(sites, hass.language);
  }
}

class NetflexViewStrategy extends HTMLElement {
  static async generate(config, hass) {
    const sites = await hass.connection.sendMessagePromise({ type: "netflex/sites" });
    const site = sites.find((item) => item.entry_id === config.entry_id) || sites[0];
    return site ? siteView(site, hass.language) : dashboard([], hass.language).views[0];
  }
}

export function registerStrategies() {
  const types = {
    "ll-strategy-dashboard-netflex": NetflexDashboardStrategy,
    "ll-strategy-view-netflex": NetflexViewStrategy,
  };
  for (const [tag, type] of Object.entries(types)) {
    if (!customElements.get(tag)) customElements.define(tag, type);
  }
  window.customStrategies = window.customStrategies || [];
  if (!window.customStrategies.some((item) => item.type === "netflex")) {
    window.customStrategies.push({
      type: "netflex",
      strategyType: "dashboard",
      name: "Netflex",
      get description() {
        return translate(pageLanguage(), "dashboard_text");
      },
    });
  }
}
