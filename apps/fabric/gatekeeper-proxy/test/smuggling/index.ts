export type { RequestCase, ResponseCase, SmugglingCase } from "./case.ts";
export { startSmugglingGateway, type SmugglingGateway } from "./lanes.ts";
export { plainAnswer } from "./raw-upstream.ts";
export { exchangeBytes, statusOf } from "./run-request-case.ts";
export { runSmugglingCase, smugglingCases, type SmugglingLane } from "./suite.ts";
