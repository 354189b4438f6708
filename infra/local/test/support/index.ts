export { type LoadReport, startLoad } from "./constant-load.ts";
export { createExtraAgent, type ExtraAgent } from "./extra-agent.ts";
export { leakIdentity } from "./leak-identities.ts";
export { removeAbandonedStacks } from "./remove-abandoned.ts";
export {
  addressOf,
  eventually,
  type ShownApp,
  startTestStack,
  type StartOptions,
  type TestStack,
  versionAt,
} from "./running-stack.ts";
export { runSql } from "./run-sql.ts";
