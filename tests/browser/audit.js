// What is wrong with a drawn card: what sticks out, what is hard to read, what has no name.
(card) => {
  const faults = [];
  const text = (element) => (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
  const where = (element) => {
    const named = element.getAttribute("class");
    return `${element.localName}${named ? `.${named.split(" ").join(".")}` : ""} "${text(element)}"`;
  };
  const parentOf = (element) => element.parentElement || (element.getRootNode().host ?? null);
  const above = function* (element) {
    for (let at = element; at; at = parentOf(at)) yield at;
  };
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
  const isForEars = (element) => [...above(element)].some((at) => at.classList?.contains("visually-hidden"));

  // Colours as [r, g, b, alpha]; colour functions of CSS are drawn to find out.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (value) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = "#000";
    canvas.fillStyle = value;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (const at of above(element)) {
      const layer = colour(getComputedStyle(at).backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const opacity = (element) => [...above(element)].reduce((all, at) => all * getComputedStyle(at).opacity, 1);
  const check = (element, value, least, what) => {
    const below = behind(element);
    const top = colour(value);
    top[3] *= opacity(element);
    const found = contrast(over(top, below), below);
    if (found < least) faults.push(`${where(element)}: ${what} has a contrast of ${found.toFixed(2)}, not ${least}`);
  };

  const elements = [...card.shadowRoot.querySelectorAll("ha-card *")].filter(isShown);
  const edge = card.getBoundingClientRect();
  for (const element of elements) {
    if (isForEars(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > edge.right + 1 || box.left < edge.left - 1))
      faults.push(`${where(element)} sticks out by ${Math.round(Math.max(box.right - edge.right, edge.left - box.left))} px`);
    const holds = ["auto", "scroll", "hidden"].includes(getComputedStyle(element).overflowX);
    if (holds && element.scrollWidth > element.clientWidth + 1)
      faults.push(`${where(element)} is ${element.scrollWidth - element.clientWidth} px wider than its place`);
    const style = getComputedStyle(element);
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (own && element.localName !== "title") {
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      const drawn = element.ownerSVGElement ? size * element.ownerSVGElement.getScreenCTM().a : size;
      if (drawn < 9) faults.push(`${where(element)} is ${drawn.toFixed(1)} px high, less than 9`);
      check(element, element instanceof SVGElement ? style.fill : style.color, large ? 3 : 4.5, "text");
    }
    if (["path", "line", "polyline"].includes(element.localName) && !element.matches(".axis, .midnight, .track") && style.stroke !== "none")
      check(element, style.stroke, 3, "line");
    const acts = element.matches("button, a[href], [role=button], [tabindex]");
    const speaks = acts || element.matches("svg, [role=img], [role=meter], [role=progressbar], [role=region]");
    if (speaks && !element.closest("[aria-hidden=true]")) {
      const label = element.getAttribute("aria-label") || (acts ? text(element) : "");
      if (!label) faults.push(`${where(element)} has no name`);
    }
    if (acts && element.tabIndex < 0) faults.push(`${where(element)} is out of the keyboard's reach`);
    if (element.matches("button") && element.disabled === false && style.cursor === "pointer" && box.height < 24)
      faults.push(`${where(element)} is ${Math.round(box.height)} px high, less than 24`);
  }
  return [...new Set(faults)];
}
