import { availableParallelism, loadavg, totalmem } from "node:os";
import { startTestStack } from "@drawbridge/local/testing";
import type { BenchResult, Figure } from "../bench-result.ts";
import { logInAsOperator } from "./operator.ts";
import { startProbe, type Probe } from "./probe.ts";
import { stageApi, stampHeader, type StagedApi } from "./stage.ts";

/** Milliseconds of one change. */
interface Change {
  /** From the operator's request, and from the answer to it, to the first request that the new rule answered. */
  readonly sent: number;
  readonly answered: number;
  /** From the answer until each connection had been answered by the new rule: all worker threads. */
  readonly everywhere: number;
}

const parallel = 4;
const connections = 6;
const goalMs = { edit: 1_000, revoke: 5_000 };

/**
 * From an operator's change to the first request that is judged by it, on a whole stack of real processes: policies edited
 * one after the other and four at a time, contracts revoked in use.
 */
export async function runEnforcementBench({ edits = 200 }: { readonly edits?: number } = {}): Promise<BenchResult> {
  const loadBefore = loadavg()[0] ?? 0;
  await using stack = await startTestStack();
  using operator = await logInAsOperator(stack);
  const apis: StagedApi[] = [];
  for (let at = 0; at < parallel; at += 1) apis.push(await stageApi(stack, operator, `edited-${at}`));
  const guarded = await stageApi(stack, operator, "guarded");
  await guarded.guard();

  const oneByOne = await editTimes(apis.slice(0, 1), edits);
  const together = await editTimes(apis, Math.ceil(edits / parallel));
  const revoked = await revokeContracts(guarded, Math.ceil(edits / 4));
  return {
    bench: "enforcement",
    machine: {
      cpus: availableParallelism(),
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    rows: [
      ...rowsOf("policy edited, one after the other", oneByOne),
      ...rowsOf(`policies of ${parallel} APIs edited at the same moment`, together),
      ...rowsOf("contract revoked in use", revoked),
    ],
    figures: {
      edit_enforced_p99: figure(quantile(oneByOne, "sent", 0.99), goalMs.edit),
      parallel_edit_enforced_p99: figure(quantile(together, "sent", 0.99), goalMs.edit),
      edit_enforced_after_answer_p99: figure(quantile(oneByOne, "answered", 0.99)),
      edit_enforced_everywhere_p99: figure(quantile(oneByOne, "everywhere", 0.99), goalMs.edit),
      contract_refused_max: figure(quantile(revoked, "everywhere", 1), goalMs.revoke),
      load_before: { value: loadBefore, unit: "load average of a minute", goal: null, reached: null },
    },
  };
}

/** Of several APIs: the same edit of all at the same moment. */
async function editTimes(apis: readonly StagedApi[], edits: number): Promise<Change[]> {
  const changes: Change[] = [];
  await using probes = new AsyncDisposableStack();
  const probed = apis.map((api) => ({
    api,
    probe: probes.use(startProbe(api.url, { connections: Math.ceil(connections / apis.length) + 1 })),
  }));
  for (let edit = 0; edit < edits; edit += 1) {
    const value = `${apis.length} at once, edit ${edit}`;
    const isNew = ({ headers }: { readonly headers: NodeJS.Dict<string | string[]> }): boolean =>
      headers[stampHeader] === value;
    changes.push(
      ...(await Promise.all(probed.map(({ api, probe }) => timed(() => api.stamp(value), { probe, isNew })))),
    );
  }
  return changes;
}

async function revokeContracts(api: StagedApi, count: number): Promise<Change[]> {
  const changes: Change[] = [];
  for (let at = 0; at < count; at += 1) {
    const contract = await api.contract(`client-${at}`);
    await using probe = startProbe(api.url, { connections, headers: contract.headers });
    await probe.until(({ status }) => status === 200);
    changes.push(await timed(() => contract.revoke(), { probe, isNew: ({ status }) => status === 401 }));
  }
  return changes;
}

async function timed(
  change: () => Promise<void>,
  { probe, isNew }: { readonly probe: Probe; readonly isNew: Parameters<Probe["until"]>[0] },
): Promise<Change> {
  const sentMs = performance.now();
  const judged = probe.until(isNew);
  await change();
  const answeredMs = performance.now();
  const { firstMs, allMs } = await judged;
  // The news may be faster than the answer.
  return {
    sent: firstMs - sentMs,
    answered: Math.max(0, firstMs - answeredMs),
    everywhere: Math.max(0, allMs - answeredMs),
  };
}

function rowsOf(what: string, changes: readonly Change[]): BenchResult["rows"] {
  const kinds = [
    ["sent", "request sent -> first request judged by it"],
    ["answered", "answered -> first request judged by it"],
    ["everywhere", "answered -> every connection judged by it"],
  ] as const;
  return kinds.map(([kind, from]) => ({
    what,
    "from -> to": from,
    changes: changes.length,
    "p50 ms": Math.round(quantile(changes, kind, 0.5)),
    "p95 ms": Math.round(quantile(changes, kind, 0.95)),
    "p99 ms": Math.round(quantile(changes, kind, 0.99)),
    "max ms": Math.round(quantile(changes, kind, 1)),
  }));
}

function quantile(changes: readonly Change[], kind: keyof Change, share: number): number {
  const sorted = changes.map((change) => change[kind]).toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
}

function figure(ms: number, goal: number | null = null): Figure {
  return { value: Math.round(ms), unit: "ms", goal, reached: goal === null ? null : ms <= goal };
}
