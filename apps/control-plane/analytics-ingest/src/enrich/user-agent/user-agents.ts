import { RecentMap } from "../recent-map.ts";
import { noUserAgent, parseUserAgent, type UserAgentFacts } from "./parse-user-agent.ts";

export interface UserAgents {
  factsOf(userAgent: string): UserAgentFacts;
  /** So many were not looked at, because too many new ones came within a second. */
  readonly skipped: number;
}

const rememberedUserAgents = 10_000;
/** 15 us each as browsers write them, 200 us as somebody might who wants to keep us busy: then a tenth of a core. */
const newOnesPerSecond = 500;

/** User-Agents and what is known of them: seen before, or parsed while there is time for it. */
export function createUserAgents(clock: { monotonicMs(): number }): UserAgents {
  const known = new RecentMap<string, UserAgentFacts>(rememberedUserAgents);
  let secondStartedAtMs = clock.monotonicMs();
  let parsedInSecond = 0;
  let skipped = 0;

  function mayParse(): boolean {
    const nowMs = clock.monotonicMs();
    if (nowMs - secondStartedAtMs >= 1_000) {
      secondStartedAtMs = nowMs;
      parsedInSecond = 0;
    }
    parsedInSecond += 1;
    return parsedInSecond <= newOnesPerSecond;
  }

  return {
    factsOf(userAgent) {
      if (userAgent === "") return noUserAgent;
      const seen = known.get(userAgent);
      if (seen !== undefined) return seen;
      if (!mayParse()) {
        skipped += 1;
        return noUserAgent;
      }
      const facts = parseUserAgent(userAgent);
      known.set(userAgent, facts);
      return facts;
    },
    get skipped() {
      return skipped;
    },
  };
}
