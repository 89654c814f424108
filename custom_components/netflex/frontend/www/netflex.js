// Loads the cards and the dashboard of the Netflex integration.

import { register } from "./card.js";
import { DemandCard } from "./demand-card.js";
import { HouseCard } from "./house-card.js";
import { LinkCard } from "./link-card.js";
import { ProgrammeCard } from "./programme-card.js";
import { QualityCard } from "./quality-card.js";
import { SiteCard } from "./site-card.js";
import { registerStrategies } from "./strategy.js";
import { TimelineCard } from "./timeline-card.js";

register("netflex-site-card", SiteCard, "card_site");
register("netflex-timeline-card", TimelineCard, "card_timeline");
register("netflex-demand-card", DemandCard, "card_demand");
register("netflex-link-card", LinkCard, "card_link");
register("netflex-programme-card", ProgrammeCard, "card_programme");
register("netflex-house-card", HouseCard, "card_house");
register("netflex-quality-card", QualityCard, "card_quality");
registerStrategies();
