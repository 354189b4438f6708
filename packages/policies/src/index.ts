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
  parseCapturePath,
  parseRedactRule,
  type CapturePath,
  type CaptureStep,
  type RedactRule,
} from "./captures/capture-path.ts";
export { isNeverRevealed, plainName } from "./captures/withheld-names.ts";
export { isBlockedAddress } from "./types/blocked-address.ts";
export { findUrlProblem } from "./types/outbound-url.ts";
export { definePolicyType, type PolicyCategory, type PolicyContext, type PolicyType } from "./policy-type.ts";
export { PolicyConfigurationError } from "./policy-configuration-error.ts";
export type {
  ClientContract,
  ContractDirectory,
  ContractSet,
  SecretDigest,
  Tier,
  TierLimit,
} from "./contracts/contract-set.ts";
export type { Counter, CounterState, SharedCounters } from "./counters/shared-counters.ts";
export type { GatekeeperLevel } from "./gatekeeper-level/level-table.ts";
export {
  levelAtRunTime,
  resolveLevel,
  type LevelError,
  type LevelOrigin,
  type ResolvedLevel,
} from "./gatekeeper-level/resolve-level.ts";
export { policyCatalogue } from "./catalogue.ts";
export {
  compileApi,
  type ApiSources,
  type CompileOptions,
  type CompileResult,
  type PolicyProblem,
} from "./pipeline/compile-api.ts";
export type { CompiledApi } from "./pipeline/compiled-api.ts";
export type { Pipeline } from "./pipeline/pipeline.ts";
export { inOrder } from "./pipeline/policy-order.ts";
export { prepareConfiguration } from "./prepare-configuration.ts";
export { createKeySets, type KeySets } from "./types/jwt-validation/key-sets.ts";
export { createWorkQueue, type WorkQueue } from "./work-queue.ts";
export { policyJsonSchema, validatePolicy, type FieldProblem, type ValidationVerdict } from "./validate-policy.ts";
export { CounterLedger, highestCount, wordsPerShare, type CounterPart } from "./counters/counter-ledger.ts";
export { createCounterStorage, restoreCounterStorage, seedBytes, seedOf } from "./counters/counter-storage.ts";
export { openCounters, type OpenedCounters } from "./counters/open-counters.ts";
export { openContracts } from "./contracts/paged-contracts.ts";
export { matchingForm } from "./matching/matching-form.ts";
export { compileCondition, longestPath, type CompiledCondition } from "./matching/condition.ts";
export type { ApiResource } from "./matching/api-resource.ts";
export {
  previewMatching,
  type ConditionPreview,
  type MatchingPreview,
  type ResourceMatch,
} from "./matching/preview-matching.ts";
export { readOpenApiResources, type OpenApiResources } from "./matching/read-openapi.ts";
export {
  isRouteTemplate,
  routeMethods,
  routePlaceholder,
  routeTemplate,
  uriTemplateOfRoute,
} from "./routes/route-template.ts";
