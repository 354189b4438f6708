import { Exchange, ResponseHead, type ExchangeOptions } from "../pipeline/exchange.ts";
import { answer, refuse, type Reply } from "../pipeline/reply.ts";
import type { Enforcement } from "../pipeline/enforcement.ts";
import type { ClientContract, ContractDirectory } from "../contracts/contract-set.ts";
import type { PolicyContext, PolicyType } from "../policy-type.ts";
import type { MessageLogRecord, PolicyAlarm, PolicyClock, PolicyServices } from "../policy-services.ts";
import { createKeySets } from "../types/jwt-validation/key-sets.ts";
import { createCounterStorage } from "../counters/counter-storage.ts";
import { openCounters } from "../counters/open-counters.ts";
import { createWorkQueue } from "../work-queue.ts";

/** Time that passes when a test says so. */
export interface ManualClock extends PolicyClock {
  advance(ms: number): void;
}

export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let elapsedMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    after(ms, wake) {
      const timer = { atMs: elapsedMs + ms, wake };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      elapsedMs += ms;
      for (const timer of [...timers].toSorted((a, b) => a.atMs - b.atMs)) {
        if (timer.atMs <= elapsedMs && timers.delete(timer)) timer.wake();
      }
    },
  };
}

export interface TestServices extends PolicyServices {
  readonly clock: ManualClock;
  readonly logged: MessageLogRecord[];
  readonly alarms: PolicyAlarm[];
}

/** Services whose outside world is `overrides`; what a test does not name must not be used. */
export function createTestServices(
  overrides: Partial<PolicyServices> & { readonly clock?: ManualClock } = {},
): TestServices {
  const clock = overrides.clock ?? createManualClock();
  const fetch = overrides.fetch ?? (() => Promise.reject(new Error("nothing to fetch in this test")));
  const logged: MessageLogRecord[] = [];
  const alarms: PolicyAlarm[] = [];
  return {
    random: () => 0.5,
    counters: openCounters(createCounterStorage(1_024), clock.nowMs),
    fetch,
    keySets: createKeySets({ fetch, clock }),
    verifications: createWorkQueue({ concurrent: 4, waiting: 64 }),
    passwordChecks: createWorkQueue({ concurrent: 1, waiting: 16 }),
    trustedModuleKeys: [],
    startModule: () => Promise.reject(new Error("no module in this test")),
    writeMessageLog: (record) => logged.push(record),
    raiseAlarm: (alarm) => alarms.push(alarm),
    ...overrides,
    clock,
    logged,
    alarms,
  };
}

export function createTestContext({
  contracts = [],
  assets = new Map<string, Uint8Array>(),
}: {
  readonly contracts?: readonly ClientContract[];
  readonly assets?: ReadonlyMap<string, Uint8Array>;
} = {}): PolicyContext & { readonly contracts: ContractDirectory } {
  const identity = { policyId: "policy-1", policyName: "a policy", policyType: "test" };
  const byId = new Map(contracts.map((contract) => [contract.clientId, contract]));
  return {
    ...identity,
    apiId: "api-1",
    slot: 0,
    contracts: { current: { count: byId.size, find: (clientId) => byId.get(clientId) } },
    tiers: new Map(),
    assets,
    refuse: (exchange, options) => refuse(identity, exchange.id, options),
    answer: (options) => answer(identity, options),
  };
}

export function aContract(clientId: string, overrides: Partial<ClientContract> = {}): ClientContract {
  return {
    contractId: `contract-of-${clientId}`,
    clientId,
    clientName: `client ${clientId}`,
    secrets: [],
    tierId: undefined,
    ...overrides,
  };
}

export interface TestRequest extends Partial<Omit<ExchangeOptions, "rawHeaders">> {
  /** Name to value; a list makes several fields. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | string;
}

export function anExchange({ headers = {}, body, ...options }: TestRequest = {}): Exchange {
  const path = options.path ?? "/api/orders";
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const exchange = new Exchange({
    id: "request-1",
    method: "GET",
    authority: "api.example.com",
    path,
    relativePath: options.relativePath ?? path.replace(/^\/api/, ""),
    query: "",
    rawHeaders: Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one])),
    peerAddress: "192.0.2.1",
    clientAddress: "192.0.2.1",
    isTls: true,
    nowMs: Date.UTC(2026, 0, 1),
    monotonicMs: 0,
    contentLength: bytes?.length ?? 0,
    loadBody: () => bytes ?? Buffer.alloc(0),
    ...options,
  });
  exchange.body = bytes;
  return exchange;
}

export function aResponse(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  origin: ResponseHead["origin"] = "upstream",
): ResponseHead {
  return new ResponseHead(status, Object.entries(headers).flat(), origin);
}

/** Parse the configuration as the catalogue does and build the policy. */
export async function createPolicy(
  type: PolicyType,
  configuration: unknown,
  {
    context = createTestContext(),
    services = createTestServices(),
  }: { context?: PolicyContext; services?: PolicyServices } = {},
): Promise<Enforcement & Required<Pick<Enforcement, "onRequest">>> {
  const enforcement = await type.create(type.schema.parse(configuration), context, services);
  return { onRequest: () => undefined, ...enforcement };
}

/** Fields and messages of a configuration that the schema refuses. */
export function problemsOf(type: PolicyType, configuration: unknown): string[] {
  const result = type.schema.safeParse(configuration);
  return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

/** What a reply says, in short: "401 token_missing", or "pass". */
export function verdictOf(reply: Reply | undefined): string {
  return reply ? `${reply.status} ${reply.reason}` : "pass";
}
