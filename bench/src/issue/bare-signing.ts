import { once } from "node:events";
import { generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { Worker } from "node:worker_threads";

/** What nothing can be faster than: P-256 in OpenSSL, with nothing around it. */
export interface BareRates {
  readonly signaturesPerSecond: number;
  /** One CSR to verify and one certificate to sign: the cryptography that an issue cannot do without. */
  readonly verifyAndSignPerSecond: number;
}

const tbsBytes = 500;

/** Measure on this thread for `durationMs` each. */
export function measureBareRates(durationMs: number): BareRates {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const data = randomBytes(tbsBytes);
  const signature = sign("sha256", data, privateKey);
  return {
    signaturesPerSecond: rateOf(durationMs, () => void sign("sha256", data, privateKey)),
    verifyAndSignPerSecond: rateOf(durationMs, () => {
      verify("sha256", data, publicKey, signature);
      sign("sha256", data, privateKey);
    }),
  };
}

/** The same on several threads at once, added up. */
export async function measureBareRatesOn(threads: number, durationMs: number): Promise<BareRates> {
  const program = new URL("./bare-signing-worker.ts", import.meta.url);
  const workers = Array.from({ length: threads }, () => new Worker(program, { workerData: durationMs }));
  const rates = await Promise.all(
    workers.map(async (worker) => {
      const [rate] = (await once(worker, "message")) as [BareRates]; // what our worker posts
      return rate;
    }),
  );
  return {
    signaturesPerSecond: rates.reduce((sum, rate) => sum + rate.signaturesPerSecond, 0),
    verifyAndSignPerSecond: rates.reduce((sum, rate) => sum + rate.verifyAndSignPerSecond, 0),
  };
}

function rateOf(durationMs: number, work: () => void): number {
  for (let warmUp = 0; warmUp < 500; warmUp += 1) work();
  const startedMs = performance.now();
  let count = 0;
  while (performance.now() - startedMs < durationMs) {
    for (let batch = 0; batch < 50; batch += 1) work();
    count += 50;
  }
  return (count / (performance.now() - startedMs)) * 1000;
}
