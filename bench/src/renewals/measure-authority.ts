import { systemClock } from "@drawbridge/lifecycle";
import { openStore, sql } from "@drawbridge/store";
import { startAuthorityStack, type AuthorityStack } from "../issue/authority-stack.ts";
import { cpuSecondsOfTree } from "../issue/process-cpu.ts";
import { residentKiB } from "../tunnels/process-memory.ts";
import { openRenewingAgents, type RenewalTimes } from "./renewal-load.ts";

export interface AuthorityMeasurement {
  readonly sustained: RenewalTimes & {
    readonly perSecond: number;
    readonly cpuMicros: { service: number; postgres: number };
  };
  readonly stampede: RenewalTimes & { readonly tookMs: number };
  readonly residentMiB: { readonly idle: number; readonly sustained: number; readonly stampede: number };
  /** Earlier certificates that were revoked, and how long after the load the last one was, and was mirrored. */
  readonly superseded: { readonly certificates: number; readonly caughtUpAfterMs: number };
}

export interface MeasureOptions {
  readonly agents: number;
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** So short that superseding is part of the load. */
const graceSeconds = 2;
const sampleMs = 100;
const catchUpTimeoutMs = 120_000;

/** One real cert-authority: sustained renewals, then all agents at once, then what superseding left behind. */
export async function measureAuthority(options: MeasureOptions): Promise<AuthorityMeasurement> {
  await using stack = await startAuthorityStack({
    nodeArguments: [],
    environment: { DRAWBRIDGE_SUPERSEDED_GRACE_SECONDS: String(graceSeconds) },
  });
  const agents = await openRenewingAgents({
    address: stack.address,
    identity: await stack.identityOf("runtime-manager"),
    count: options.agents,
  });
  const idle = residentKiB(stack.servicePid);
  await agents.renewUntil(AbortSignal.timeout(options.warmUpMs), options.concurrency);

  const before = cpuOf(stack);
  const beganMs = performance.now();
  const load = await peakResident(stack, () =>
    agents.renewUntil(AbortSignal.timeout(options.durationMs), options.concurrency),
  );
  const tookSeconds = (performance.now() - beganMs) / 1000;
  const after = cpuOf(stack);
  const renewals = load.value.latenciesMs.length;
  const micros = (seconds: number): number => (seconds / renewals) * 1_000_000;

  const stampedeBeganMs = performance.now();
  const stampede = await peakResident(stack, () => agents.renewAllAtOnce());
  const stampedeMs = performance.now() - stampedeBeganMs;
  const superseded = await waitUntilSuperseded(stack, options.agents);
  await agents.stop();
  return {
    sustained: {
      ...load.value,
      perSecond: renewals / tookSeconds,
      cpuMicros: {
        service: micros(after.service - before.service),
        postgres: micros(after.postgres - before.postgres),
      },
    },
    stampede: { ...stampede.value, tookMs: stampedeMs },
    residentMiB: { idle: idle / 1024, sustained: load.peakKiB / 1024, stampede: stampede.peakKiB / 1024 },
    superseded,
  };
}

function cpuOf(stack: AuthorityStack) {
  return { service: cpuSecondsOfTree(stack.servicePid), postgres: cpuSecondsOfTree(stack.postgresPid) };
}

async function peakResident<T>(
  stack: AuthorityStack,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly peakKiB: number }> {
  const over = new AbortController();
  let peakKiB = 0;
  const sampling = (async () => {
    while (!over.signal.aborted) {
      peakKiB = Math.max(peakKiB, residentKiB(stack.servicePid));
      await systemClock.sleep(sampleMs, over.signal).catch(() => undefined);
    }
  })();
  try {
    return { value: await work(), peakKiB };
  } finally {
    over.abort();
    await sampling;
  }
}

/** Until every agent has one unrevoked certificate, and the mirror all others. */
async function waitUntilSuperseded(stack: AuthorityStack, agents: number) {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const store = openStore<Record<string, never>>({ url: stack.databaseUrl, schema: "cert_authority", logger: silent });
  await store.start(AbortSignal.timeout(10_000));
  const beganMs = performance.now();
  try {
    while (performance.now() - beganMs < catchUpTimeoutMs) {
      const { rows } = await sql<{ live: string; revoked: string; unmirrored: string }>`
        SELECT count(*) FILTER (WHERE revocation.key IS NULL) AS live,
          count(revocation.key) AS revoked,
          count(*) FILTER (WHERE NOT revocation.is_mirrored) AS unmirrored
        FROM certificate LEFT JOIN revocation USING (serial_number) WHERE certificate.fabric_id IS NOT NULL
      `.execute(store.db);
      const [row] = rows;
      if (Number(row?.live) <= agents && Number(row?.unmirrored) === 0) {
        return { certificates: Number(row?.revoked), caughtUpAfterMs: performance.now() - beganMs };
      }
      await systemClock.sleep(500);
    }
    throw new Error("an agent has two unrevoked certificates long after the load");
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
}
