import type { Clock, Component, Health, IdSource, Random } from "@drawbridge/lifecycle";
import type { Logger, Telemetry } from "@drawbridge/telemetry";

/** What a service is made of that is not its own. Tests give their own clock and chance. */
export interface ServiceDeps<Config> {
  readonly config: Config;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export interface Service {
  /** In start order, with telemetry; stop runs it backwards. */
  readonly components: readonly Component[];
  readonly health: Health;
}
