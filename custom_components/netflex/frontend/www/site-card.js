// The site as a one-line diagram: grid, limits, fuse per line, assets, and why.

import { NetflexCard } from "./card.js";
import { amountOf, ampere, clockTime, h, kilowatt, number, showMore } from "./lib.js";

const LINES = { "1x230": ["L1"], "3N400": ["L1", "L2", "L3"], "3x230": ["L1", "L2", "L3"] };
export const ICONS = {
  charger: "mdi:ev-station",
  battery: "mdi:home-battery",
  inverter: "mdi:solar-power",
  load: "mdi:power-socket",
  relay: "mdi:electric-switch",
  virtual_meter: "mdi:meter-electric-outline",
};
const LIMIT_ORDERS = ["minsetp", "maxsetp", "maxsetap", "minsetap"];
/** Sources that wish rather than bind: what they cause is no restriction. */
const WISHES = ["self_consumption", "economic", "dispatch"];
/** Of more problems only the number is said: Home Assistant's repairs have them all. */
const PROBLEMS_SHOWN = 4;
/** W below which nothing is said to flow. */
const STILL = 20;

/** What matters most about a site now, and in which colour it is said. */
export function statusOf(site) {
  const plan = site.plan;
  if (!plan) return { key: "starting", tone: "warn" };
  if (plan.stopped.length) return { key: "stopped", tone: "bad" };
  if (plan.infeasible.length) return { key: "infeasible", tone: "bad" };
  if (!plan.metered) return { key: "not_metered", tone: "bad" };
  const tightened = LIMIT_ORDERS.some((name) => site.orders[name] && site.orders[name].value < 100);
  if (tightened) return { key: "limited", tone: "warn" };
  return { key: "normal", tone: "good" };
}

/** The tightest limit of the connection point in one direction, or undefined. */
export function siteLimit(site, quantity) {
  if (!site.plan) return undefined;
  return site.plan.limits
    .filter((limit) => limit.scope === "site" && limit.quantity === quantity)
    .sort((one, other) => one.value - other.value)[0];
}

/** Current of each line against its fuse: A and share; absent stays absent. */
export function lineLoads(site) {
  const fuse = site.connection.main_fuse;
  const currents = (site.meter && site.meter.available && site.meter.currents) || {};
  return LINES[site.connection.grid_type].map((line) => {
    const current = line in currents ? Math.abs(currents[line]) : null;
    const limit = ((site.plan && site.plan.limits) || []).find(
      (item) => item.scope === "line" && item.id === line,
    );
    return {
      line,
      current,
      fuse,
      limit: limit || null,
      share: current === null ? null : current / fuse,
    };
  });
}

/** Why an asset is told what it is told: the first cause, or null where none binds. */
export function whyOf(asset) {
  if (asset.problem) return asset.problem;
  const setpoint = asset.setpoint;
  if (!setpoint || !setpoint.causes.length) return null;
  return setpoint.causes.map((cause) => cause.text).join("; ");
}

/** Whether something else than a wish decides what an asset is told. */
export function isBound(asset) {
  const causes = (asset.setpoint && asset.setpoint.causes) || [];
  return causes.some((cause) => !WISHES.includes(cause.source));
}

/** What a problem is and whose it is, where its text does not say so itself. */
export function problemText({ subject, text }, subjects) {
  const named = subjects && subjects[subject];
  // What concerns the site as a whole stands on the site's own card.
  if (subject === "site") return text;
  const name = named ? named.name : subject;
  return !name || text.includes(name) ? text : `${name}: ${text}`;
}

/** The scale of the connection point's bar: the most that either side may reach, W. */
export function flowScale(site) {
  const power = (site.meter && site.meter.power) || 0;
  const limits = ["import", "injection"].map((side) => (siteLimit(site, side) || { value: 0 }).value);
  return Math.max(Math.abs(power), ...limits, 1000) * 1.05;
}

export class SiteCard extends NetflexCard {
  static style = `
    .grid { display: flex; gap: 12px; align-items: flex-start; }
    .grid > ha-icon { --mdc-icon-size: 36px; color: var(--secondary-text-color); }
    .grid .body { flex: 1; min-width: 0; }
    .power { font-size: 1.6rem; font-weight: 500; line-height: 1.2; }
    .flow { position: relative; height: 14px; margin: 10px 0 4px; border-radius: 7px;
      background: var(--secondary-background-color); }
    .flow .zero { position: absolute; left: 50%; top: -3px; bottom: -3px; width: 1px;
      background: var(--secondary-text-color); }
    .flow .value { position: absolute; top: 0; bottom: 0; border-radius: 7px;
      transition: left .6s, width .6s; }
    .import { background: var(--energy-grid-consumption-color, #488fc2); }
    .injection { background: var(--energy-grid-return-color, #8353d1); }
    .limit-mark { position: absolute; top: -4px; bottom: -4px; width: 3px; margin-left: -1px;
      border-radius: 2px; background: var(--primary-text-color); }
    .limit-mark.ordered { background: var(--netflex-bad); }
    .ends { display: flex; justify-content: space-between; gap: 12px; font-size: .8rem; }
    .ends span:last-child { text-align: right; }
    .wire { display: grid; grid-template-columns: 36px 1fr; column-gap: 12px; }
    .wire .conductor { justify-self: center; width: 4px; background: var(--divider-color);
      position: relative; overflow: hidden; }
    .wire .conductor.live::after, .branch .conductor.live::after { content: ""; position: absolute;
      inset: 0; background: repeating-linear-gradient(180deg, var(--flow) 0 8px, transparent 8px 16px);
      background-size: 100% 16px; animation: netflex-flow 1s linear infinite; }
    .conductor.reverse::after { animation-direction: reverse !important; }
    @keyframes netflex-flow { to { background-position: 0 16px; } }
    @media (prefers-reduced-motion: reduce) { .conductor::after { animation: none !important; } }
    .fuses { padding: 8px 0; display: grid; gap: 6px; }
    .fuse { display: grid; grid-template-columns: 28px 1fr auto; align-items: center; gap: 8px;
      font-size: .85rem; }
    .bar { position: relative; height: 10px; border-radius: 5px; overflow: hidden;
      background: var(--secondary-background-color); }
    .bar > i { position: absolute; inset: 0 auto 0 0; background: var(--netflex-good);
      transition: width .6s; }
    .bar > i.warn { background: var(--netflex-warn); }
    .bar > i.bad { background: var(--netflex-bad); }
    .assets { list-style: none; margin: 0; padding: 0; }
    .branch { display: grid; grid-template-columns: 36px 1fr; column-gap: 12px; }
    .branch .rail { position: relative; }
    .branch .rail .conductor { position: absolute; left: 16px; width: 4px; top: 0; bottom: 0;
      background: var(--divider-color); overflow: hidden; }
    .branch:last-child .rail .conductor { bottom: 50%; }
    .branch .rail::after { content: ""; position: absolute; left: 18px; right: -12px; top: 50%;
      height: 4px; margin-top: -2px; background: var(--divider-color); }
    .asset { display: grid; grid-template-columns: 28px 1fr auto; gap: 2px 10px; width: 100%;
      padding: 8px !important; margin: 3px 0; border: 1px solid var(--divider-color) !important;
      background: var(--card-background-color); z-index: 1; box-sizing: border-box; align-items: center; }
    .asset.bound { border-color: var(--netflex-warn) !important; }
    .asset.stopped, .asset.away { border-color: var(--netflex-bad) !important; }
    .asset .name { font-weight: 500; overflow: hidden; text-overflow: ellipsis; }
    .asset .figures { text-align: right; white-space: nowrap; }
    .asset .told { font-size: .85rem; color: var(--secondary-text-color); }
    .asset .why { grid-column: 2 / -1; }
    .alarms { margin: 8px 0 0; padding: 0; list-style: none; display: grid; gap: 6px; }
    .alarms li { display: flex; gap: 8px; font-size: .85rem; }
    .alarms ha-icon { color: var(--netflex-bad); flex: none; --mdc-icon-size: 20px; }
    @container (max-width: 460px) { .ends { flex-direction: column; gap: 4px; }
      .ends span:last-child { text-align: left; } }
    @container (max-width: 340px) { .asset .told { display: none; } .power { font-size: 1.3rem; } }
  `;

  render(site) {
    const status = statusOf(site);
    return [
      h(
        "h2",
        {},
        site.title,
        h("span", { class: "grow" }),
        h("span", { class: `chip ${status.tone}`, role: "status" }, this.t(`status_${status.key}`)),
      ),
      this.grid(site),
      this.fuses(site),
      h("ul", { class: "assets", "aria-label": this.t("assets") }, this.assets(site)),
      this.alarms(site),
    ];
  }

  grid(site) {
    const meter = site.meter;
    const power = meter && meter.available ? meter.power : null;
    const known = power !== null && power !== undefined;
    const side = known && power < 0 ? "injection" : "import";
    const text = known
      ? this.t(power < -STILL ? "injecting" : power > STILL ? "importing" : "balanced")
      : this.t("not_measured");
    return h(
      "div",
      { class: "grid" },
      h("ha-icon", { icon: "mdi:transmission-tower", ".icon": "mdi:transmission-tower" }),
      h(
        "div",
        { class: "body" },
        h(
          "button",
          {
            class: "plain",
            onclick: this.opener(meter && this.entity(meter.id, "power")),
            "aria-label": `${this.t("grid")}: ${known ? kilowatt(this.hass, Math.abs(power)) : "–"} ${text}`,
          },
          h("span", { class: "power" }, known ? kilowatt(this.hass, Math.abs(power)) : "–"),
          " ",
          h("span", { class: "why" }, text),
        ),
        this.flowBar(site, power, side),
        h(
          "div",
          { class: "ends why" },
          h("span", {}, this.limitText(site, "injection")),
          h("span", {}, this.limitText(site, "import")),
        ),
        meter && !meter.available && meter.problem ? h("p", { class: "error" }, meter.problem) : null,
      ),
    );
  }

  flowBar(site, power, side) {
    const scale = flowScale(site);
    const half = (value) => Math.min(50, (Math.abs(value) / scale) * 50);
    const known = power !== null && power !== undefined;
    const width = known ? half(power) : 0;
    const left = side === "import" ? 50 : 50 - width;
    const marks = ["import", "injection"].map((quantity) => {
      const limit = siteLimit(site, quantity);
      if (!limit) return null;
      const at = quantity === "import" ? 50 + half(limit.value) : 50 - half(limit.value);
      const ordered = limit.source === "grid_operator" ? " ordered" : "";
      return h("i", { class: `limit-mark${ordered}`, style: `left:${at}%`, title: limit.text });
    });
    return h(
      "div",
      { class: "flow", "aria-hidden": "true" },
      h("i", { class: `value ${side}`, style: `left:${left}%;width:${width}%` }),
      h("i", { class: "zero" }),
      marks,
    );
  }

  limitText(site, quantity) {
    const limit = siteLimit(site, quantity);
    const name = this.t(`limit_${quantity}`);
    if (!limit) return `${name}: ${this.t("no_limit")}`;
    const since = limit.since ? `, ${this.t("since")} ${clockTime(this.hass, limit.since)}` : "";
    return `${name}: ${kilowatt(this.hass, limit.value)} (${limit.text}${since})`;
  }

  fuses(site) {
    const power = site.meter && site.meter.available ? site.meter.power : 0;
    return h(
      "div",
      { class: "wire" },
      this.conductor(power || 0, power < 0),
      h(
        "div",
        { class: "fuses" },
        lineLoads(site).map((load) => {
          const share = load.share === null ? 0 : Math.min(1, load.share);
          const tone = share > 0.98 ? "bad" : share > 0.85 ? "warn" : "";
          const text = `${ampere(this.hass, load.current)} / ${number(this.hass, load.fuse)} A`;
          return h(
            "div",
            {
              class: "fuse",
              role: "meter",
              "aria-label": `${this.t("fuse")} ${load.line}`,
              "aria-valuemin": 0,
              "aria-valuemax": load.fuse,
              "aria-valuenow": load.current,
              "aria-valuetext": text,
            },
            h("span", {}, load.line),
            h("span", { class: "bar" }, h("i", { class: tone, style: `width:${share * 100}%` })),
            h("span", {}, text),
          );
        }),
      ),
    );
  }

  conductor(power, reverse) {
    const live = Math.abs(power) > STILL;
    const colour = reverse
      ? "var(--energy-grid-return-color, #8353d1)"
      : "var(--energy-grid-consumption-color, #488fc2)";
    const classes = ["conductor", live && "live", live && reverse && "reverse"];
    return h("div", {
      class: classes.filter(Boolean).join(" "),
      style: `--flow:${colour}`,
      "aria-hidden": "true",
    });
  }

  assets(site) {
    return Object.entries(site.assets).map(([id, asset]) => {
      const subject = (site.subjects && site.subjects[id]) || { name: id, kind: "load" };
      const power = asset.available ? asset.power : null;
      const why = whyOf(asset);
      const stopped = Boolean(asset.setpoint && asset.setpoint.emergency);
      const bound = isBound(asset);
      const state = !asset.available ? "away" : stopped ? "stopped" : bound ? "bound" : "";
      const figures = this.figures(subject, asset, power);
      const told = this.told(asset);
      const label = [subject.name, figures, told, why].filter(Boolean).join(", ");
      return h(
        "li",
        { class: "branch", key: id },
        h("div", { class: "rail" }, this.conductor(power || 0, power < 0)),
        h(
          "button",
          {
            class: `plain asset ${state}`,
            "aria-label": label,
            onclick: this.opener(
              this.entity(id, "power") || this.entity(id, "production") ||
              this.entity(id, "setpoint") || this.entity(id, "energised"),
            ),
          },
          h("ha-icon", { ".icon": ICONS[subject.kind] || "mdi:flash" }),
          h("span", { class: "name" }, subject.name),
          h("span", { class: "figures" }, figures, told ? h("div", { class: "told" }, told) : null),
          why ? h("span", { class: "why" }, why) : null,
        ),
      );
    });
  }

  figures(subject, asset, power) {
    if (!asset.available) return this.t("away");
    if (subject.kind === "relay") return this.t(asset.enabled ? "energised" : "released");
    const parts = [];
    if (power !== null && power !== undefined) {
      const key = Math.abs(power) <= STILL ? "idle" : power < 0 ? "gives" : "takes";
      parts.push(key === "idle" ? this.t(key) : `${this.t(key)} ${kilowatt(this.hass, Math.abs(power))}`);
    }
    if (asset.state_of_charge !== null) parts.push(`${number(this.hass, asset.state_of_charge)} %`);
    if (!parts.length && asset.enabled !== null) parts.push(this.t(asset.enabled ? "on" : "off"));
    return parts.join(" · ") || "–";
  }

  told(asset) {
    const setpoint = asset.setpoint;
    if (!setpoint || setpoint.value === null) return null;
    if (setpoint.kind === "current") return `≤ ${ampere(this.hass, setpoint.value)}`;
    if (setpoint.kind === "production") return `≤ ${kilowatt(this.hass, setpoint.value)}`;
    if (setpoint.kind === "power") return `→ ${kilowatt(this.hass, setpoint.value)}`;
    return null;
  }

  alarms(site) {
    const plan = site.plan;
    const lines = [];
    if (plan) {
      for (const item of plan.infeasible) {
        const amount = amountOf(this.hass, item.missing, item.unit);
        lines.push(`${item.limit.text}: ${this.t("missing", { amount })}`);
      }
    }
    for (const problem of site.problems.slice(0, PROBLEMS_SHOWN)) lines.push(problemText(problem, site.subjects));
    const more = site.problems.length - PROBLEMS_SHOWN;
    if (more > 0) lines.push(this.t("more_problems", { count: number(this.hass, more) }));
    if (!lines.length) return null;
    return h(
      "ul",
      { class: "alarms", "aria-label": this.t("problems") },
      lines.map((line) =>
        h("li", {}, h("ha-icon", { ".icon": "mdi:alert-circle-outline" }), h("span", {}, line)),
      ),
    );
  }

  opener(entityId) {
    return () => showMore(this, entityId);
  }
}
