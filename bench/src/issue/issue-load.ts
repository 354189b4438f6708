import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { createCsr, generateKeyPair, IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { createLogger } from "@drawbridge/telemetry";

export interface LoadOptions {
  readonly address: string;
  readonly identity: IdentitySnapshot;
  /** Requests in flight, kept up: each answer is followed by the next request. */
  readonly concurrency: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Called when the measured time begins and when it is over. */
  readonly onMeasure: (phase: "begin" | "end") => void;
}

export interface LoadResult {
  /** Answered in the measured time. */
  readonly certificates: number;
  readonly perSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Answered altogether, warm-up included: each must be in the table. */
  readonly answered: number;
  readonly failed: number;
}

/** Distinct keys that take turns; made before the clock runs, because keys are made in the fabric, not at the authority. */
const keys = 512;
/** Fabrics that take turns; each sends its events in order, so that one alone would serialise the relay. */
const fabrics = 200;

/** A closed loop of real clients: the gRPC client, the TLS and the identity of the activation service. */
export async function runIssueLoad(options: LoadOptions): Promise<LoadResult> {
  const csrs = await Promise.all(
    Array.from({ length: keys }, async () => Buffer.from(await createCsr(await generateKeyPair()))),
  );
  const fabricIds = Array.from({ length: fabrics }, () => uuidV7Ids.next());
  const client = createGrpcClient(CertificateAuthorityServiceClient, {
    address: options.address,
    identity: new IdentityHolder(options.identity),
    expectedServer: "/cp/cert-authority",
    logger: createLogger({ service: "bench", level: "error", format: "json" }),
    timeoutMs: 30_000,
  });
  const latenciesMs: number[] = [];
  const over = new AbortController();
  let isMeasuring = false;
  let next = 0;
  let answered = 0;
  let failed = 0;

  async function issueOne(): Promise<void> {
    const number = next++;
    const startedMs = performance.now();
    try {
      const { certificate } = await client.call.issueFabricCertificate({
        requestId: uuidV7Ids.next(),
        csrDer: csrs[number % keys] ?? Buffer.alloc(0),
        profile: FabricProfile.FABRIC_PROFILE_AGENT,
        org: "bench",
        fabricId: fabricIds[number % fabrics] ?? "",
        subjectId: uuidV7Ids.next(),
      });
      if (!certificate || certificate.certificateDer.length === 0) throw new Error("an answer without a certificate");
      answered += 1;
      if (isMeasuring) latenciesMs.push(performance.now() - startedMs);
    } catch {
      failed += 1;
    }
  }

  async function keepIssuing(): Promise<void> {
    while (!over.signal.aborted) await issueOne();
  }

  const running = Array.from({ length: options.concurrency }, keepIssuing);
  await pause(options.warmUpMs);
  isMeasuring = true;
  options.onMeasure("begin");
  const beganMs = performance.now();
  await pause(options.durationMs);
  const tookMs = performance.now() - beganMs;
  options.onMeasure("end");
  isMeasuring = false;
  over.abort();
  await Promise.all(running);
  await client.stop(AbortSignal.timeout(5_000));
  const sorted = latenciesMs.toSorted((left, right) => left - right);
  const quantile = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return {
    certificates: sorted.length,
    perSecond: (sorted.length / tookMs) * 1000,
    latencyMs: { p50: quantile(0.5), p99: quantile(0.99) },
    answered,
    failed,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
