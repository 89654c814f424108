// The health of the grid operator's link.

import { NetflexCard } from "./card.js";
import { clockTime, duration, h, number } from "./lib.js";

/** What matters most about a link now, and in which colour it is said. */
export function linkState(link) {
  if (!link) return { key: "link_none", tone: "" };
  if (!link.listening) return { key: "link_closed", tone: "bad" };
  if (!link.connected) return { key: "link_waiting", tone: "warn" };
  return { key: "link_connected", tone: "good" };
}

export class LinkCard extends NetflexCard {
  static style = `
    dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 16px; margin: 0; font-size: .9rem; }
    dt { color: var(--secondary-text-color); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
    .notice { margin-top: 10px; }
  `;

  render(site) {
    const link = site.link;
    const { key, tone } = linkState(link);
    const chip = h("span", { class: `chip ${tone}`, role: "status" }, this.t(key));
    const heading = h("h2", {}, this.t("link"), h("span", { class: "grow" }), chip);
    if (!link) return [heading, h("p", { class: "why" }, this.t("link_none_text"))];
    const rows = [
      ["station", link.address],
      ["client", link.client],
      ["link_since", link.since && clockTime(this.hass, link.since)],
      ["last_interrogation", link.last_interrogation && clockTime(this.hass, link.last_interrogation)],
      ["clock_offset", link.clock_offset === null ? null : duration(this.hass, Math.abs(link.clock_offset))],
      ["events_waiting", number(this.hass, link.events_waiting)],
      ["events_dropped", link.events_dropped ? number(this.hass, link.events_dropped) : null],
      ["last_close_reason", link.connected ? null : link.last_close_reason],
    ].filter(([, value]) => value);
    const loopLag = site.loop_lag;
    if (loopLag > 0.1) rows.push(["loop_lag", duration(this.hass, loopLag)]);
    return [
      heading,
      h("dl", {}, rows.map(([name, value]) => [h("dt", {}, this.t(name)), h("dd", {}, value)])),
      link.problem ? h("p", { class: "error" }, link.problem) : null,
      link.last_refused_client
        ? h("p", { class: "notice error" }, this.t("refused_client", { client: link.last_refused_client }))
        : null,
      link.points_confirmed ? null : h("p", { class: "notice why" }, this.t("points_unconfirmed")),
    ];
  }
}
