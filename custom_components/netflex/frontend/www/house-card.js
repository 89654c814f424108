// For the people in the house: what is held back now, why, until when, and what can be done.

import { NetflexCard } from "./card.js";
import { clockTime, h, kilowatt, money, number, refusalText } from "./lib.js";
import { ICONS } from "./site-card.js";

/** Hours for which a device is left alone. */
export const NOT_NOW_HOURS = 2;

/** What a device may be asked to wait for that its user can put off. */
const PUT_OFF = ["dispatch", "economic", "self_consumption", "capacity_tariff"];
/** Causes that go over by themselves. */
const PASSING = ["rising", "release_consumption", "release_production", "release_grid"];
/** Share of its limit from which an inverter is taken to be held by it. */
const NEAR = 0.95;
/** W and Wh from which a figure of the month is worth a sentence; share that is as good as all. */
const LEAST_PEAK = 50;
const LEAST_MISSED = 100;
const WHOLE = 0.95;
/** What is only the device's own plan: nobody holds it back. */
const OWN_PLAN = ["economic", "self_consumption", "capacity_tariff"];

/** What is told to a device that is less than it could do, as a kind of its own; null: nothing. */
export function restraintOf(subject, asset) {
  const setpoint = asset.setpoint;
  if (!setpoint || setpoint.value === null || !setpoint.causes.length) return null;
  const cause = setpoint.causes[0];
  if (subject.kind === "load" && setpoint.value !== 0) return null;
  if (subject.kind === "charger") {
    const waiting = ["connected", "charging"].includes(asset.charger_state);
    if (!waiting || setpoint.value >= subject.maximum_current) return null;
  }
  // A limit that the sun does not reach holds nothing back.
  if (subject.kind === "inverter" && -asset.power < setpoint.value * NEAR) return null;
  if (!["load", "charger", "inverter"].includes(subject.kind)) return null;
  if (cause.source === "user") return { kind: "user", cause };
  const own = OWN_PLAN.includes(cause.source);
  return { kind: own ? "waits" : "held", cause, canPutOff: PUT_OFF.includes(cause.source) };
}

/** Until when, where no time is known. */
function untilOf({ kind, cause }) {
  if (PASSING.includes(cause.key)) return "house_until_passed";
  return kind === "waits" ? "house_until_plan" : "house_until_lifted";
}

/** How much room is left to the comfort limit in degrees, null where nobody measures. */
export function comfortLeft(subject, house) {
  if (!house || house.temperature === null || house.temperature === undefined) return null;
  if (subject.comfort_low === null || subject.comfort_low === undefined) return null;
  return house.temperature - subject.comfort_low;
}

/** What the month has brought so far, as sentences; what is not known is not said. */
export function monthSentences(site, hass, t) {
  const month = site.month;
  if (!month) return [];
  const known = (value) => value !== null && value !== undefined;
  const said = [];
  if (known(month.saved)) {
    const amount = money(hass, Math.abs(month.saved), 2);
    const key = Math.abs(month.saved) < 0.005 ? "even" : month.saved > 0 ? "saved" : "spent";
    said.push(t(`house_${key}`, { amount }));
  }
  if (known(month.peak_avoided) && month.peak_avoided >= LEAST_PEAK) {
    const power = kilowatt(hass, month.peak_avoided);
    said.push(
      known(month.tariff_saved)
        ? t("house_lower_worth", { power, amount: money(hass, month.tariff_saved, 2) })
        : t("house_lower", { power }),
    );
  }
  if (known(month.self_sufficiency)) {
    said.push(t("house_own", { share: number(hass, month.self_sufficiency * 100) }));
  }
  if (known(month.missed) && month.missed >= LEAST_MISSED) {
    said.push(t("house_missed", { energy: number(hass, month.missed / 1000, 1) }));
  }
  if (said.length && known(month.coverage) && month.coverage < WHOLE) {
    said.push(t("house_coverage", { share: number(hass, month.coverage * 100) }));
  }
  return said;
}

/** Everything that a house is asked and does, most important first. */
export function houseOf(site) {
  const groups = { held: [], granted: [], waits: [], user: [], free: [] };
  for (const [id, asset] of Object.entries(site.assets)) {
    const subject = site.subjects && site.subjects[id];
    if (!subject || !["load", "charger", "inverter"].includes(subject.kind)) continue;
    const house = (site.house && site.house[id]) || {};
    const item = { id, subject, asset, house };
    const restraint = restraintOf(subject, asset);
    const granted = house.override_until && (!restraint || restraint.kind !== "held");
    if (granted) groups.granted.push(item);
    else if (restraint) groups[restraint.kind].push({ ...item, restraint });
    else groups.free.push(item);
  }
  return groups;
}

export class HouseCard extends NetflexCard {
  static style = `
    .lead { font-size: 1.35rem; line-height: 1.3; font-weight: 500; margin: 0 0 12px; }
    ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 10px; }
    .one { border: 1px solid var(--divider-color); border-radius: 12px; padding: 12px; display: grid;
      grid-template-columns: 32px 1fr; gap: 4px 12px; align-items: start; }
    .one.held { border-color: var(--netflex-warn); border-width: 2px; }
    .one ha-icon { color: var(--secondary-text-color); --mdc-icon-size: 28px; }
    .one .text { min-width: 0; overflow-wrap: anywhere; display: grid; gap: 4px; }
    .name { font-weight: 500; font-size: 1.05rem; }
    .room { position: relative; height: 8px; border-radius: 4px; overflow: hidden; margin-top: 2px;
      background: var(--secondary-background-color); }
    .room > i { position: absolute; inset: 0 auto 0 0; background: var(--netflex-good); }
    .room > i.warn { background: var(--netflex-warn); }
    button.act { font: inherit; font-weight: 500; min-height: 44px; padding: 0 18px; margin-top: 6px;
      border-radius: 22px; border: 0; cursor: pointer; justify-self: start;
      background: color-mix(in srgb, var(--primary-color, #006787) 75%, #000); color: #fff; }
    button.act.back { background: none; color: var(--primary-text-color);
      border: 1px solid var(--divider-color); }
    button.act:focus-visible { outline: 3px solid var(--primary-text-color); outline-offset: 2px; }
    button.act[disabled] { opacity: .5; cursor: default; }
    .rest { margin-top: 14px; font-size: .95rem; }
    .month { margin-top: 14px; padding-top: 12px; border-top: 1px solid var(--divider-color); }
    .month p { margin: 0 0 4px; }
    .month h3 { margin: 0 0 4px; font-size: 1rem; font-weight: 500; }
  `;

  render(site) {
    const groups = houseOf(site);
    return [
      h("p", { class: "lead", role: "status" }, this.lead(site, groups)),
      this.failure ? h("p", { class: "error", role: "alert" }, this.failure) : null,
      h("ul", { "aria-label": this.t("house_devices") }, [
        groups.held.map((item) => this.restrained(item)),
        groups.granted.map((item) => this.granted(item)),
        groups.waits.map((item) => this.restrained(item)),
      ]),
      this.rest("house_off", groups.user),
      this.rest("house_free", groups.free),
      this.month(site),
    ];
  }

  lead(site, groups) {
    const stopped = (site.plan && site.plan.stopped) || [];
    if (stopped.includes("consumption")) return this.t("house_stopped");
    if (!site.plan) return this.t("status_starting");
    const count = groups.held.length;
    if (!count) return this.t("house_nothing");
    if (count === 1) return this.t("house_one", { name: groups.held[0].subject.name });
    return this.t("house_many", { count: number(this.hass, count) });
  }

  restrained({ id, subject, asset, house, restraint }) {
    const until = house.held_until
      ? this.t("house_until", { time: clockTime(this.hass, house.held_until, false) })
      : this.t(untilOf(restraint));
    const what = subject.kind === "charger" && asset.setpoint.value > 0
      ? this.t("house_slower", { current: number(this.hass, asset.setpoint.value) })
      : subject.kind === "inverter"
        ? this.t("house_less_sun", { power: kilowatt(this.hass, asset.setpoint.value) })
        : this.t(restraint.kind === "waits" ? "house_waits" : "house_pauses");
    const canAct = restraint.canPutOff && subject.device_id && subject.kind !== "inverter";
    return h(
      "li",
      { class: `one ${restraint.kind}`, key: id },
      h("ha-icon", { ".icon": ICONS[subject.kind] }),
      h(
        "div",
        { class: "text" },
        h("span", { class: "name" }, `${subject.name}: ${what}`),
        h("span", {}, restraint.cause.text),
        h("span", { class: "why" }, until),
        this.room(subject, house),
        canAct
          ? this.action("act", this.t("not_now", { hours: NOT_NOW_HOURS }), subject, () =>
              this.notNow(subject))
          : restraint.kind === "held"
            ? h("span", { class: "why" }, this.t("house_cannot"))
            : null,
      ),
    );
  }

  granted({ id, subject, house }) {
    return h(
      "li",
      { class: "one", key: id },
      h("ha-icon", { ".icon": ICONS[subject.kind] }),
      h(
        "div",
        { class: "text" },
        h("span", { class: "name" }, `${subject.name}: ${this.t("house_granted")}`),
        h("span", { class: "why" },
          this.t("house_until", { time: clockTime(this.hass, house.override_until, false) })),
        this.room(subject, house),
        subject.device_id
          ? this.action("act back", this.t("take_back"), subject, () => this.takeBack(subject))
          : null,
      ),
    );
  }

  /** A button whose name says what it is about, also to who does not see the rest. */
  action(style, text, subject, onclick) {
    return h(
      "button",
      { class: style, type: "button", "aria-label": `${subject.name}: ${text}`,
        disabled: this.busy === subject.device_id, onclick },
      text,
    );
  }

  room(subject, house) {
    const left = comfortLeft(subject, house);
    if (left === null) return null;
    const high = subject.comfort_high;
    const span = high > subject.comfort_low ? high - subject.comfort_low : 10;
    const share = Math.max(0, Math.min(1, left / span));
    const text = this.t(left > 0 ? "house_comfort" : "house_too_cold", {
      temperature: number(this.hass, house.temperature, 1),
      left: number(this.hass, left, 1),
      low: number(this.hass, subject.comfort_low, 1),
    });
    return [
      h("span", { class: "why" }, text),
      h("span", { class: "room", "aria-hidden": "true" },
        h("i", { class: share < 0.2 ? "warn" : "", style: `width:${share * 100}%` })),
    ];
  }

  rest(key, items) {
    if (!items.length) return null;
    const names = items.map((item) => item.subject.name).join(", ");
    return h("p", { class: "rest why" }, this.t(key, { names }));
  }

  month(site) {
    const brought = monthSentences(site, this.hass, (key, values) => this.t(key, values));
    const peaks = this.peaks(site.demand);
    if (!brought.length && !peaks) return null;
    return h(
      "div",
      { class: "month" },
      h("h3", {}, this.t("house_month")),
      brought.map((text) => h("p", { class: "brought" }, text)),
      peaks ? h("p", { class: "why" }, peaks) : null,
    );
  }

  peaks(demand) {
    if (!demand || demand.month_peak === null) return null;
    const peak = kilowatt(this.hass, demand.month_peak);
    const cost = demand.cost === null ? null : this.t("house_cost", { cost: money(this.hass, demand.cost) });
    return [this.t("house_peak", { peak }), cost].filter(Boolean).join(" ");
  }

  notNow(subject) {
    const what = subject.kind === "charger" ? { current: subject.maximum_current } : { switch: true };
    return this.act(subject, "set_override", { ...what, duration: { hours: NOT_NOW_HOURS } });
  }

  takeBack(subject) {
    return this.act(subject, "clear_override", {});
  }

  async act(subject, action, data) {
    this.busy = subject.device_id;
    this.failure = null;
    this.draw();
    try {
      await this.hass.callService("netflex", action, { device_id: subject.device_id, ...data });
    } catch (error) {
      this.failure = await refusalText(this.hass, error);
    }
    this.busy = null;
    this.draw();
  }
}
