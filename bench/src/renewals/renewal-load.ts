import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createCsr, generateKeyPair, IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { createLogger } from "@drawbridge/telemetry";

/** Agents that renew, as cert-authority sees them: through runtime-manager, which asks in their name. */
export interface RenewingAgents {
  /** How many there are. */
  readonly count: number;
  /** Each renewal is followed by another agent's, `concurrency` at once, until `signal` aborts. */
  renewUntil(signal: AbortSignal, concurrency: number): Promise<RenewalTimes>;
  /** All of them at the same moment. */
  renewAllAtOnce(): Promise<RenewalTimes>;
  stop(): Promise<void>;
}

export interface RenewalTimes {
  /** From the first attempt until the new certificate is in use, per renewal, in the order in which they ended. */
  readonly latenciesMs: readonly number[];
  /** Attempts that were told when to come back: what runtime-manager tells the agent, who does. */
  readonly toldToComeBack: number;
  /** Any other error: it would have reached an agent. Code and how often. */
  readonly errors: ReadonlyMap<string, number>;
}

/** Distinct keys that take turns; made before the clock runs, because keys are made in the fabric. */
const keys = 512;
/** Of runtime-manager (src/tunnel/renew-certificate.ts): when an agent that cannot be served now is to come back. */
const comeBack = { shortestMs: 1_000, shortestSpreadMs: 4_000, renewalsPerSecond: 200, margin: 1_200 };

export async function openRenewingAgents(options: {
  readonly address: string;
  /** Of runtime-manager. */
  readonly identity: IdentitySnapshot;
  readonly count: number;
}): Promise<RenewingAgents> {
  const csrs = await Promise.all(
    Array.from({ length: keys }, async () => Buffer.from(await createCsr(await generateKeyPair()))),
  );
  const agents = Array.from({ length: options.count }, (_, number) => ({
    csrDer: csrs[number % keys] ?? Buffer.alloc(0),
    profile: FabricProfile.FABRIC_PROFILE_AGENT,
    org: "bench",
    fabricId: uuidV7Ids.next(),
    subjectId: uuidV7Ids.next(),
  }));
  const client = createGrpcClient(CertificateAuthorityServiceClient, {
    address: options.address,
    identity: new IdentityHolder(options.identity),
    expectedServer: "/cp/cert-authority",
    logger: createLogger({ service: "bench", level: "fatal", format: "json" }),
    timeoutMs: 60_000,
  });

  /** When somebody who was refused comes back. */
  function comeBackAfterMs(told: number): number {
    const spreadMs = (options.count / comeBack.renewalsPerSecond) * comeBack.margin;
    const ownMs = comeBack.shortestMs + Math.max(comeBack.shortestSpreadMs, spreadMs) * cryptoRandom.next();
    return Math.max(told, ownMs);
  }

  function createTally() {
    const latenciesMs: number[] = [];
    const errors = new Map<string, number>();
    let toldToComeBack = 0;

    /** Issue, with the same request id until there is an answer, and activate: a renewal's two calls. */
    async function renew(agent: (typeof agents)[number]): Promise<void> {
      const startedMs = performance.now();
      const requestId = uuidV7Ids.next();
      for (;;) {
        try {
          const { certificate } = await client.call.issueFabricCertificate({ ...agent, requestId });
          const { serialNumber = "" } = certificate ?? {};
          await client.call.activateCertificate({ serialNumber });
          latenciesMs.push(performance.now() - startedMs);
          return;
        } catch (error) {
          if (!isDrawbridgeError(error, "ISSUE_OVERLOADED")) {
            const code = isDrawbridgeError(error) ? error.code : String(error);
            errors.set(code, (errors.get(code) ?? 0) + 1);
            return;
          }
          toldToComeBack += 1;
          await systemClock.sleep(comeBackAfterMs(error.retryAfterMs ?? 0));
        }
      }
    }
    return { renew, result: (): RenewalTimes => ({ latenciesMs, toldToComeBack, errors }) };
  }

  return {
    count: options.count,
    renewUntil: async (signal, concurrency) => {
      const tally = createTally();
      let next = 0;
      const keepRenewing = async (): Promise<void> => {
        while (!signal.aborted) {
          const agent = agents[next++ % agents.length];
          if (agent) await tally.renew(agent);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, keepRenewing));
      return tally.result();
    },
    renewAllAtOnce: async () => {
      const tally = createTally();
      await Promise.all(agents.map((agent) => tally.renew(agent)));
      return tally.result();
    },
    stop: () => client.stop(AbortSignal.timeout(5_000)),
  };
}
