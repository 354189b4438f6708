import { rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "@drawbridge/durable-files";
import { generateKeyPair, importPrivateKeyPem, type KeyPair } from "@drawbridge/pki";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import { readFileIfPresent, writeFileAtomic } from "../state/atomic-file.ts";
import { createJsonFile } from "../state/json-file.ts";

const schema = z.object({
  schemaVersion: z.literal(1),
  requestId: z.uuid(),
  /** Serial number of the certificate that is to be replaced. */
  currentSerial: z.string(),
  createdAt: z.iso.datetime(),
  /** N of gen-N that holds the new certificate; absent until it is there. */
  stagedGeneration: z.number().int().positive().optional(),
});

/** A renewal under way, as it survives a crash. */
export interface PendingRenewal {
  readonly requestId: string;
  readonly currentSerial: string;
  readonly keyPair: KeyPair;
  readonly stagedGeneration: number | undefined;
}

/** `next/renewal/{tls.key,request.json}`: the same request after a crash or a lost answer gives the same certificate. */
export interface PendingRenewalStore {
  /** undefined if none is under way, or if what is there cannot be used. */
  load(): Promise<PendingRenewal | undefined>;
  /** A new key and a new request, durable when it resolves. */
  begin(request: { readonly requestId: string; readonly currentSerial: string }): Promise<PendingRenewal>;
  /** The new certificate lies in this generation. */
  markStaged(pending: PendingRenewal, generation: number): Promise<void>;
  clear(): Promise<void>;
}

export function createPendingRenewalStore(options: {
  /** Of the identity store: `next/renewal` is below it. */
  readonly directory: string;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}): PendingRenewalStore {
  const next = join(options.directory, "next");
  const folder = join(next, "renewal");
  const keyPath = join(folder, "tls.key");
  const { clock, logger } = options;
  const file = createJsonFile({ path: join(folder, "request.json"), schema, clock, logger });

  return {
    async load() {
      const request = await file.read();
      const pem = await readFileIfPresent(keyPath);
      if (request === undefined || pem === undefined) return undefined;
      try {
        const keyPair = importPrivateKeyPem(pem);
        const { requestId, currentSerial, stagedGeneration } = request;
        return { requestId, currentSerial, keyPair, stagedGeneration };
      } catch {
        return undefined; // a new one is begun over it
      }
    },
    async begin(request) {
      // The request is what counts: without it the key is nobody's, so it goes first and comes last.
      await rm(file.path, { force: true });
      const keyPair = await generateKeyPair();
      await writeFileAtomic(keyPath, keyPair.privateKeyPem());
      await file.write({ schemaVersion: 1, ...request, createdAt: clock.now().toISOString() });
      await syncFolder(next);
      return { ...request, keyPair, stagedGeneration: undefined };
    },
    async markStaged({ requestId, currentSerial }, stagedGeneration) {
      const createdAt = clock.now().toISOString();
      await file.write({ schemaVersion: 1, requestId, currentSerial, createdAt, stagedGeneration });
    },
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}
