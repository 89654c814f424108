// What every card is: a site chosen, its feed followed, drawn once a second at most.

import { faultText, h, isAlike, patch, subscribeSite, wordsOf } from "./lib.js";
import { pageLanguage, translate } from "./strings.js";

const BASE_STYLE = `
  :host { display: block; height: 100%;
    /* The theme's own colours are too pale to read, or too dark: text pulls them along. */
    --netflex-good: color-mix(in srgb, var(--success-color, #2e7d32) 65%, var(--primary-text-color, #141414));
    --netflex-warn: color-mix(in srgb, var(--warning-color, #b26a00) 50%, var(--primary-text-color, #141414));
    --netflex-bad: color-mix(in srgb, var(--error-color, #c62828) 75%, var(--primary-text-color, #141414)); }
  ha-card { display: block; height: 100%; box-sizing: border-box; padding: 16px; overflow: hidden;
    container-type: inline-size; color: var(--primary-text-color); }
  h2 { margin: 0 0 8px; font-size: 1.1rem; font-weight: 500; display: flex;
    align-items: center; gap: 8px; flex-wrap: wrap; }
  h2 .grow { flex: 1; }
  p { margin: 0; }
  .why { color: var(--secondary-text-color); font-size: 0.85rem; line-height: 1.3; }
  .chip { border-radius: 12px; padding: 2px 10px; font-size: 0.8rem; font-weight: 500;
    background: var(--secondary-background-color); color: var(--primary-text-color);
    border: 1px solid transparent; }
  .chip.good { border-color: var(--netflex-good); }
  .chip.warn { border-color: var(--netflex-warn); border-width: 2px; }
  .chip.bad { background: color-mix(in srgb, var(--error-color, #c62828) 85%, #000); color: #fff; }
  .error { color: var(--netflex-bad); padding: 8px 0; }
  .visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); white-space: nowrap; }
  button.plain { font: inherit; color: inherit; background: none; border: 0; padding: 0;
    text-align: inherit; cursor: pointer; border-radius: 8px; }
  button.plain:focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
`;

/** Whether a user is spoken to in another way than before; it is asked at every change. */
function speaksOtherwise(before, now) {
  const same = before.language === now.language && before.locale === now.locale;
  return !same && !isAlike(wordsOf(before), wordsOf(now));
}

export class NetflexCard extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = BASE_STYLE + this.constructor.style;
    this.card = document.createElement("ha-card");
    this.shadowRoot.append(style, this.card);
    this.site = null;
    this.error = null;
  }

  static style = "";

  static getConfigForm() {
    return {
      schema: [
        { name: "entry_id", selector: { config_entry: { integration: "netflex" } } },
      ],
      computeLabel: () => "Site",
    };
  }

  static getStubConfig() {
    return {};
  }

  setConfig(config) {
    this.config = { ...config };
    this.entryId = config.entry_id || null;
    this.restart();
  }

  set hass(hass) {
    const first = !this._hass;
    const changed = first || speaksOtherwise(this._hass, hass);
    this._hass = hass;
    if (changed) this.restart();
    if (changed && !first) this.draw();
  }

  get hass() {
    return this._hass;
  }

  connectedCallback() {
    this.restart();
  }

  disconnectedCallback() {
    this.leave();
  }

  getCardSize() {
    return 6;
  }

  t(key, values) {
    return translate(this._hass && this._hass.language, key, values);
  }

  leave() {
    if (this.unsubscribe) this.unsubscribe();
    this.unsubscribe = null;
  }

  async restart() {
    this.leave();
    if (!this._hass || !this.config || !this.isConnected) return;
    const entryId = this.entryId || (await this.onlySite());
    if (!entryId || !this.isConnected || this.unsubscribe) return;
    this.unsubscribe = subscribeSite(this._hass, entryId, (site, error) => {
      this.site = site;
      this.error = error;
      this.draw();
    });
  }

  /** Without a choice, the first site is the one. */
  async onlySite() {
    try {
      const sites = await this._hass.connection.sendMessagePromise({
        type: "netflex/sites",
      });
      if (sites.length) return sites[0].entry_id;
      this.error = "no_site";
    } catch (error) {
      this.error = faultText(error);
    }
    this.draw();
    return null;
  }

  draw() {
    if (!this._hass) return;
    if (!this.site) {
      const known = ["no_site", "not_running", "site_gone", "unloaded"].includes(this.error);
      const text = known ? this.t(this.error) : this.error || this.t("waiting");
      patch(this.card, [h("p", { class: this.error ? "error" : "why", role: "status" }, text)]);
      return;
    }
    patch(this.card, this.render(this.site));
  }

  /** The entity's id that stands for one figure of one subject. */
  entity(subject, key) {
    return this.site.entities && this.site.entities[`${subject}_${key}`];
  }
}

/** Defines a card and offers it, under its name in the language of the page by then. */
export function register(tag, type, key) {
  if (!customElements.get(tag)) customElements.define(tag, type);
  window.customCards = window.customCards || [];
  if (!window.customCards.some((card) => card.type === tag)) {
    window.customCards.push({
      type: tag,
      preview: true,
      get name() {
        return translate(pageLanguage(), key);
      },
      get description() {
        return translate(pageLanguage(), `${key}_text`);
      },
    });
  }
}
