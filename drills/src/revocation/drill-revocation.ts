import { X509Certificate } from "node:crypto";
import { rm } from "node:fs/promises";
import {
  addressOf,
  createExtraAgent,
  type ExtraAgent,
  leakIdentity,
  startLoad,
  startTestStack,
  type TestStack,
} from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import type { IdentitySnapshot } from "@drawbridge/pki";
import type { Drill } from "../drill.ts";
import { percentile } from "../percentile.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { readFabricIdentity } from "../stack/fabric-identity.ts";
import { readMetric } from "../stack/metrics.ts";
import { listCertificates, rest } from "../stack/rest.ts";
import { expiredLetIn } from "./expired-certificate.ts";
import { listenersOf } from "./listeners.ts";
import { watchListener } from "./watch-listener.ts";

const kinds = ["agent, by serial number", "agent, by fingerprint", "collector", "service"] as const;
type Kind = (typeof kinds)[number];

const defaultRounds = 40;
/** So long that nothing is renewed, and nothing revoked for its age, meanwhile. */
const times = { leafSeconds: 600, supersededGraceSeconds: 600 };
const leakedService = "management-api";
/** As many extra agents may be there at a time. */
const places = 8;
const reason = "drill";
/** There to end a hang. */
const giveUpAfterMs = 60_000;
/** Design R9: the goal for the 99th percentile. */
const goalSeconds = 5;

/**
 * One certificate after the other is revoked while it is in use: on a connection to every listener, and on a tunnel. Measured from
 * the answer to the operator until the last connection is cut and the last new one refused.
 */
export const drillRevocation: Drill = async ({ rounds = defaultRounds, say }) => {
  await using stack = await startTestStack({ overrides: drillSettings(times) });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const load = startLoad(addressOf(app), 1);
  const expired = expiredLetIn(stack);
  expired.catch(() => undefined); // reported where it is waited for
  const measured: number[] = [];
  const last: number[] = [];
  const found: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const kind = kinds[round % kinds.length] ?? kinds[0];
    const revoked = await revokeOne(stack, { kind, round });
    measured.push(...revoked.latenciesSeconds);
    last.push(Math.max(...revoked.latenciesSeconds));
    found.push(...revoked.findings);
    say(`${round + 1}/${rounds}  ${kind}: gone everywhere after ${last.at(-1)?.toFixed(2)} s`);
  }
  const stillIn = await expired;
  const { answered, failures } = await load.stop();
  const p99 = percentile(last, 0.99);
  return {
    figures: {
      "certificates revoked": { value: rounds, unit: "certificates" },
      "refusals and cuts measured": { value: measured.length, unit: "measurements" },
      "to the last refusal or cut, median": { value: percentile(last, 0.5), unit: "s" },
      "to the last refusal or cut, p99": { value: p99, unit: "s" },
      "to the last refusal or cut, slowest": { value: percentile(last, 1), unit: "s" },
      "requests answered": { value: answered, unit: "requests" },
    },
    invariants: {
      "what is revoked is cut and refused at every listener": found,
      "an expired certificate is refused, with a TLS session from before, too": stillIn,
      [`99 of 100 within ${goalSeconds} s`]: p99 <= goalSeconds ? [] : [`99 of 100 within ${p99.toFixed(2)} s`],
      "what is not revoked stays": await othersRevoked(stack),
      "no request fails": failures,
    },
  };
};

interface Revoked {
  readonly latenciesSeconds: readonly number[];
  readonly findings: readonly string[];
}

async function revokeOne(stack: TestStack, { kind, round }: { kind: Kind; round: number }): Promise<Revoked> {
  if (kind === "service")
    return revokeIdentity(stack, kind, await leakIdentity(stack.stack, { service: leakedService }));
  await using extra = createExtraAgent(stack.stack, round % places);
  await rm(extra.stateDir, { recursive: true, force: true }); // of an earlier round
  await extra.activate(`target-${round}`);
  extra.agent.start();
  await extra.agent.waitReady();
  const identity = await readFabricIdentity(extra.stateDir, kind === "collector" ? "monitoring" : "identity");
  return await revokeIdentity(stack, kind, identity, kind === "collector" ? undefined : extra);
}

async function revokeIdentity(
  stack: TestStack,
  kind: Kind,
  identity: IdentitySnapshot,
  holder?: ExtraAgent,
): Promise<Revoked> {
  const watches = await Promise.all(listenersOf(stack).map((listener) => watchListener(listener, identity)));
  const target =
    kind === "agent, by fingerprint"
      ? { fingerprintSha256: `sha256:${fingerprintOf(identity)}` }
      : { serialNumber: identity.serialNumber };
  await rest(stack, "/v1/certificates/revoke", { method: "POST", body: { ...target, reason } });
  const revokedAtMs = systemClock.monotonicMs();
  const giveUp = AbortSignal.timeout(giveUpAfterMs);
  const ends = await Promise.all([
    ...watches.map(async (watch) => ({ where: watch.listener, atMs: await watch.refusedAtMs(giveUp) })),
    ...(holder ? [tunnelGone(holder, giveUp).then((atMs) => ({ where: "the agent's live tunnel", atMs }))] : []),
  ]);
  return {
    latenciesSeconds: ends.flatMap(({ atMs }) => (atMs === undefined ? [] : Math.max(0, atMs - revokedAtMs) / 1000)),
    findings: ends.flatMap(({ where, atMs }) =>
      atMs === undefined
        ? [`${where}: ${kind} ${identity.serialNumber} still let in after ${giveUpAfterMs / 1000} s`]
        : [],
    ),
  };
}

/** When the agent itself has seen its tunnel end. */
async function tunnelGone(holder: ExtraAgent, giveUp: AbortSignal): Promise<number | undefined> {
  while (!giveUp.aborted) {
    const connected = await readMetric(holder.opsPort, "drawbridge_agent_tunnel_connected").catch(() => undefined);
    if (connected === 0) return systemClock.monotonicMs();
    await systemClock.sleep(50, giveUp).catch(() => undefined); // given up
  }
  return undefined;
}

/** Certificates that somebody took back although nobody asked for it. */
async function othersRevoked(stack: TestStack): Promise<readonly string[]> {
  const all = await listCertificates(stack);
  return all.flatMap(({ serialNumber, revokedAt, revocationReason, spiffeId }) =>
    revokedAt === null || revocationReason === reason || revocationReason === "superseded"
      ? []
      : [`${spiffeId} ${serialNumber} was revoked: ${revocationReason}`],
  );
}

function fingerprintOf({ chainDer: [leaf] }: IdentitySnapshot): string {
  if (leaf === undefined) throw new Error("an identity without a certificate");
  return new X509Certificate(leaf).fingerprint256.replaceAll(":", "").toLowerCase();
}
