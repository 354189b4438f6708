export {
  Exchange,
  ResponseHead,
  type ExchangeEnd,
  type ExchangeOptions,
  type LoadedBody,
  type ResponseOrigin,
} from "./pipeline/exchange.ts";
export { headerValue, removeHeader, setHeader, type HeaderList } from "./pipeline/header-list.ts";
export {
  answer,
  refuse,
  type AnswerOptions,
  type PolicyIdentity,
  type Refusal,
  type RefuseOptions,
  type Reply,
} from "./pipeline/reply.ts";
export type { Enforcement, ResponseTap } from "./pipeline/enforcement.ts";
export type {
  AttemptOutcome,
  CircuitBreaker,
  RetryPlan,
  UpstreamBehaviour,
  UpstreamTimeouts,
} from "./pipeline/upstream-behaviour.ts";
export type {
  MessageLogRecord,
  ModuleRunner,
  OutboundFetch,
  OutboundRequest,
  OutboundResponse,
  PolicyAlarm,
  PolicyClock,
  PolicyServices,
  RunningModule,
} from "./policy-services.ts";
export {
  definePolicyType,
  PolicyConfigurationError,
  type PolicyCategory,
  type PolicyContext,
  type PolicyType,
} from "./policy-type.ts";
export type {
  ClientContract,
  ContractDirectory,
  ContractSet,
  SecretDigest,
  Tier,
  TierLimit,
} from "./contracts/contract-set.ts";
export type { CounterState, SharedCounters } from "./counters/shared-counters.ts";
export type { GatekeeperLevel } from "./gatekeeper-level/level-table.ts";
export {
  levelAtRunTime,
  resolveLevel,
  type LevelError,
  type LevelOrigin,
  type ResolvedLevel,
} from "./gatekeeper-level/resolve-level.ts";
