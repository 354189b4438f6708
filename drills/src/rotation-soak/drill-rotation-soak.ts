import { eventually, startTestStack, type TestStack } from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import type { Drill, DrillReport } from "../drill.ts";
import { startEveryPath } from "../load/every-path.ts";
import { drillSettings } from "../stack/drill-settings.ts";
import { readMetric } from "../stack/metrics.ts";
import { showAuthority } from "../stack/rest.ts";
import { rotateRoot } from "../stack/rotate-root.ts";

const defaultRounds = 20;
/** Of the stack that starts: a slow machine takes longer for it than a leaf of ten seconds lives. */
const first = {
  firstServiceLeafSeconds: 60,
  leafSeconds: 30,
  issuingCaSeconds: 360,
  supersededGraceSeconds: 5,
  rotationSeconds: 3,
};
const lookEveryMs = 500;
const followWithinMs = 20_000;

/** What is issued from the rotation of the root on. A leaf lives for a sixth of the issuing CA's life at most. */
export interface SoakTimes {
  readonly leafSeconds: number;
  readonly issuingCaSeconds: number;
}

/** Design R26 a. */
const asDesigned: SoakTimes = { leafSeconds: 10, issuingCaSeconds: 60 };

/**
 * A rotation of the root, and from then on leaves of ten seconds under issuing CAs of a minute, while every path that uses a
 * certificate is under load.
 */
export const drillRotationSoak: Drill = async ({ rounds = defaultRounds, say }) =>
  soak(asDesigned, { rollOvers: rounds, say });

/** The same with other lives, until the issuing CA has been replaced that often (the rotation of the root does so, too). */
export async function soak(
  times: SoakTimes,
  { rollOvers: wanted, say }: { readonly rollOvers: number; readonly say: (line: string) => void },
): ReturnType<Drill> {
  await using stack = await startTestStack({ overrides: drillSettings(first) });
  const app = await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2");
  const authority = stack.stack.service("cert-authority");
  await authority.stop();
  authority.start({
    DRAWBRIDGE_LEAF_TTL_SECONDS: String(times.leafSeconds),
    DRAWBRIDGE_ISSUING_CA_TTL_SECONDS: String(times.issuingCaSeconds),
  });
  await authority.waitReady();
  await eventually(() => showAuthority(stack)); // the services have found it again: its restart is not what is tested
  const load = await startEveryPath(stack, app);
  const issuedBefore = await issued(stack);
  const rollOvers = countRollOvers(stack, say);
  say("the load has begun; the root is rotated");
  await Promise.all([rotateRoot(stack, { say }), rollOvers.reached(wanted)]);
  const issuedNow = await issued(stack);
  const counted = await rollOvers.stop();
  const { paths, tunnel } = await load.stop();
  say("done; the load has stopped");
  return {
    figures: {
      "roll-overs of the issuing CA": { value: counted, unit: "roll-overs" },
      "certificates issued": { value: issuedNow - issuedBefore, unit: "certificates" },
      "tunnel sessions": { value: tunnel.sessions, unit: "sessions" },
      "longest time without a tunnel": { value: tunnel.longestGapSeconds, unit: "s" },
      ...Object.fromEntries(paths.map(({ path, answered }) => [path, { value: answered, unit: "requests" }])),
    },
    invariants: {
      ...Object.fromEntries(paths.map(({ path, failures }) => [`nothing fails: ${path}`, failures])),
      "the fabric is never without a tunnel":
        tunnel.longestGapSeconds === 0 ? [] : [`for ${tunnel.longestGapSeconds.toFixed(2)} s there was none`],
      ...(await settled(stack)),
    },
  };
}

async function issued(stack: TestStack): Promise<number> {
  const port = stack.stack.ports.ops.certAuthority;
  return (await readMetric(port, "drawbridge_cert_authority_certificates_issued_total")) ?? 0;
}

/** Looks which issuing CA is in use: each change is a roll-over. */
function countRollOvers(
  stack: TestStack,
  say: (line: string) => void,
): { reached(count: number): Promise<void>; stop(): Promise<number> } {
  const stopping = new AbortController();
  const seen = new Set<string>();
  const count = (): number => Math.max(0, seen.size - 1);
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      const authority = await showAuthority(stack).catch(() => undefined); // the load on REST counts failures
      for (const { kind, state, serialNumber } of authority?.keys ?? []) {
        if (kind !== "issuing" || state !== "active" || seen.has(serialNumber)) continue;
        seen.add(serialNumber);
        if (count() > 0) say(`roll-over ${count()}: issuing CA ${serialNumber.slice(0, 8)}`);
      }
      await systemClock.sleep(lookEveryMs, stopping.signal).catch(() => undefined); // stopped
    }
  })();
  return {
    reached: async (wanted) => {
      while (count() < wanted) await systemClock.sleep(lookEveryMs);
    },
    stop: async () => {
      stopping.abort(new Error("stopped"));
      await watching;
      return count();
    },
  };
}

/** How everything stands when it is over; who was told of the last change a moment ago has its time to follow. */
async function settled(stack: TestStack): Promise<DrillReport["invariants"]> {
  const giveUp = AbortSignal.timeout(followWithinMs);
  const { roots, keys, behind } = await eventually(async () => {
    const authority = await showAuthority(stack);
    const behind = authority.followers.filter(({ live, missing }) => live && missing.length > 0);
    return behind.length === 0 || giveUp.aborted ? { ...authority, behind } : undefined;
  });
  const active = keys.filter(({ kind, state }) => kind === "issuing" && state === "active");
  return {
    "everybody has followed": behind.map(({ kind, name, missing }) => `${kind} ${name} lacks ${missing.join(", ")}`),
    "one root and one issuing CA are in use":
      roots === 1 && active.length === 1
        ? []
        : [`${roots} roots in the trust bundle, ${active.length} issuing CAs that issue`],
  };
}
