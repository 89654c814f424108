// What all cards share: drawing without a framework, figures in words, the feed.

/** A description of an element: `h("p", {class: "x"}, "text", child)`. */
export function h(tag, attributes, ...children) {
  return { tag, attributes: attributes || {}, children: flatten(children) };
}

function flatten(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false);
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes the children of `parent` what `nodes` describes, in place: elements that stay
 * keep their focus and their animation.
 */
export function patch(parent, nodes) {
  const wanted = flatten([nodes]);
  wanted.forEach((node, index) => {
    const present = parent.childNodes[index];
    if (!present) {
      parent.appendChild(create(node, parent));
    } else if (!isSame(present, node)) {
      parent.replaceChild(create(node, parent), present);
    } else if (present.nodeType === Node.TEXT_NODE) {
      if (present.data !== String(node)) present.data = String(node);
    } else {
      update(present, node);
    }
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

function isSame(present, node) {
  if (typeof node !== "object") return present.nodeType === Node.TEXT_NODE;
  return (
    present.nodeType === Node.ELEMENT_NODE &&
    present.localName === node.tag &&
    present.netflexKey === node.attributes.key
  );
}

function create(node, parent) {
  if (typeof node !== "object") return document.createTextNode(String(node));
  const inSvg = node.tag === "svg" || parent.namespaceURI === SVG;
  const element = inSvg
    ? document.createElementNS(SVG, node.tag)
    : document.createElement(node.tag);
  element.netflexKey = node.attributes.key;
  update(element, node);
  return element;
}

function update(element, node) {
  const attributes = node.attributes;
  for (const { name } of [...element.attributes]) {
    if (!(name in attributes) || isAbsent(attributes[name])) {
      element.removeAttribute(name);
    }
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "key") continue;
    if (typeof value === "function" || name.startsWith(".")) {
      const property = name.startsWith(".") ? name.slice(1) : name;
      if (element[property] !== value) element[property] = value;
    } else if (!isAbsent(value) && element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, String(value));
    }
  }
  patch(element, node.children);
}

function isAbsent(value) {
  return value === null || value === undefined || value === false;
}

/** A number in the user's own notation; "–" where there is none: absent is not zero. */
export function number(hass, value, digits = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const rounded = Number(value.toFixed(digits)) + 0;
  return new Intl.NumberFormat(language(hass), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(rounded);
}

/** W as kW. */
export function kilowatt(hass, value) {
  return `${number(hass, isAbsent(value) ? value : value / 1000, 1)} kW`;
}

export function ampere(hass, value, digits = 1) {
  return `${number(hass, value, digits)} A`;
}

/** A figure in W, var or A as people say it. */
export function amountOf(hass, value, unit) {
  if (unit === "A") return ampere(hass, value);
  return `${number(hass, isAbsent(value) ? value : value / 1000, 1)} k${unit}`;
}

/** Money in Home Assistant's own currency. */
export function money(hass, value, digits = 0) {
  const currency = (hass.config && hass.config.currency) || "EUR";
  return new Intl.NumberFormat(language(hass), {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** Seconds as people say them. */
export function duration(hass, seconds) {
  if (isAbsent(seconds)) return "–";
  if (seconds < 1) return `${number(hass, seconds * 1000)} ms`;
  if (seconds < 90) return `${number(hass, seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${number(hass, seconds / 60)} min`;
  return `${number(hass, seconds / 3600, 1)} h`;
}

/** The time zone that a user has Home Assistant show: the server's, or the browser's. */
export function timeZone(hass) {
  const server = hass && hass.locale && hass.locale.time_zone === "server";
  const zone = server && hass.config && hass.config.time_zone;
  return zone || Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Whether a user's clock times have AM and PM, as Home Assistant's settings say. */
export function hasHalfDays(hass) {
  const format = hass && hass.locale && hass.locale.time_format;
  if (format === "12" || format === "24") return format === "12";
  const spoken = format === "system" ? undefined : language(hass);
  return Boolean(new Intl.DateTimeFormat(spoken, { hour: "numeric" }).resolvedOptions().hour12);
}

/** Returns what names the day of a time, a date or its ms, in the user's zone. */
export function dayIn(hass) {
  const form = new Intl.DateTimeFormat("en", { dateStyle: "short", timeZone: timeZone(hass) });
  return (time) => form.format(time);
}

/** Clock time of an ISO time, in the user's zone, with its date where that is not today's. */
export function clockTime(hass, iso, withSeconds = true) {
  if (!iso) return "–";
  const time = new Date(iso);
  const options = {
    hour: "2-digit",
    minute: "2-digit",
    hour12: hasHalfDays(hass),
    timeZone: timeZone(hass),
  };
  if (withSeconds) options.second = "2-digit";
  const day = dayIn(hass);
  if (day(new Date()) !== day(time)) Object.assign(options, { day: "2-digit", month: "2-digit" });
  return new Intl.DateTimeFormat(language(hass), options).format(time);
}

export function language(hass) {
  return (hass && hass.locale && hass.locale.language) || "en";
}

/** Opens Home Assistant's own page of an entity. */
export function showMore(element, entityId) {
  if (!entityId) return;
  element.dispatchEvent(
    new CustomEvent("hass-more-info", {
      detail: { entityId },
      bubbles: true,
      composed: true,
    }),
  );
}

const SAMPLES_KEPT = 720;

/** Adds new samples to those kept, by their times. */
export function mergeSamples(kept, newer) {
  const last = kept.length ? kept[kept.length - 1][0] : -Infinity;
  const added = newer.filter((sample) => sample[0] > last);
  return added.length ? [...kept, ...added].slice(-SAMPLES_KEPT) : kept;
}

/** Adds a message of the feed to what is known of a site. */
export function mergeMessage(known, message) {
  const merged = { ...(known || {}), ...message };
  merged.samples = mergeSamples((known && known.samples) || [], message.samples || []);
  return merged;
}

/** One subscription per site and connection, however many cards show it. */
const feeds = new Map();

export function subscribeSite(hass, entryId, listener) {
  const connection = hass.connection;
  let feed = feeds.get(entryId);
  const words = wordsOf(hass);
  // In another language or time zone everything is asked for again.
  if (!feed || feed.connection !== connection || !isAlike(feed.words, words)) {
    feed = new Feed(connection, entryId, words);
    feeds.set(entryId, feed);
  }
  return feed.add(listener);
}

/** How a user is spoken to: what the feed is asked for, so that texts fit the cards. */
export function wordsOf(hass) {
  return {
    ...(hass.language && { language: hass.language }),
    time_zone: timeZone(hass),
    half_days: hasHalfDays(hass),
  };
}

export function isAlike(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

const RETRY = 5000;

/** What the cards say where a site cannot be followed, by the code of the answer. */
const REFUSALS = { not_found: "site_gone", not_loaded: "not_running" };

/** Why an action was refused, in the user's language where its refusal has words. */
export async function refusalText(hass, error) {
  const domain = error && error.translation_domain;
  if (domain && hass.loadBackendTranslation) {
    const localize = await hass.loadBackendTranslation("exceptions", domain);
    const text = localize(
      `component.${domain}.exceptions.${error.translation_key}.message`,
      error.translation_placeholders,
    );
    if (text) return text;
  }
  return faultText(error);
}

/** What an error itself says. */
export function faultText(error) {
  return error && error.message ? error.message : String(error);
}

class Feed {
  constructor(connection, entryId, words) {
    this.connection = connection;
    this.entryId = entryId;
    this.words = words;
    this.listeners = new Set();
    this.known = null;
    this.error = null;
    this.end = null;
    this.retry = null;
  }

  add(listener) {
    this.listeners.add(listener);
    if (this.known || this.error) listener(this.known, this.error);
    if (this.listeners.size === 1) this.start();
    return () => {
      this.listeners.delete(listener);
      if (!this.listeners.size) this.stop();
    };
  }

  start() {
    this.known = null;
    this.end = this.connection
      .subscribeMessage((message) => this.take(message), {
        type: "netflex/subscribe",
        entry_id: this.entryId,
        ...this.words,
      })
      .catch((error) => {
        this.fail(REFUSALS[error && error.code] || faultText(error));
        return null;
      });
  }

  take(message) {
    if (message.unloaded) {
      this.stop();
      this.fail("unloaded");
      return;
    }
    this.error = null;
    this.known = mergeMessage(this.known, message);
    this.tell();
  }

  fail(text) {
    this.error = text;
    this.known = null;
    this.tell();
    if (this.listeners.size && !this.retry) {
      this.retry = setTimeout(() => {
        this.retry = null;
        if (this.listeners.size) this.start();
      }, RETRY);
    }
  }

  tell() {
    for (const listener of this.listeners) {
      try {
        listener(this.known, this.error);
      } catch (error) {
        // One card's fault is said and costs no other card its message.
        reportError(error);
      }
    }
  }

  stop() {
    if (this.retry) clearTimeout(this.retry);
    this.retry = null;
    const end = this.end;
    this.end = null;
    if (end) end.then((unsubscribe) => unsubscribe && unsubscribe()).catch(() => {});
  }
}
