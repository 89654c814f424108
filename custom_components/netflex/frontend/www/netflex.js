// Loads the cards and the dashboard of the Netflex integration.

import { register } from "./card.js";
import { DemandCard } from "./demand-card.js";
import { LinkCard } from "./link-card.js";
import { SiteCard } from "./site-card.js";
import { registerStrategies } from "./strategy.js";
import { TimelineCard } from "./timeline-card.js";

register(
  "netflex-site-card",
  SiteCard,
  "Netflex: site",
  "The site as a one-line diagram: flows, fuse, limits and what is bound, with why.",
);
register(
  "netflex-timeline-card",
  TimelineCard,
  "Netflex: orders",
  "The grid operator's orders: ordered, applied, measured.",
);
register(
  "netflex-demand-card",
  DemandCard,
  "Netflex: quarter hour",
  "The running quarter hour, its forecast and the month's peak.",
);
register(
  "netflex-link-card",
  LinkCard,
  "Netflex: link",
  "The health of the grid operator's link.",
);
registerStrategies();
