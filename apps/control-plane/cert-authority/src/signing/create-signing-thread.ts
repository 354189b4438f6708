import { once } from "node:events";
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Component } from "@drawbridge/lifecycle";
import type { SignedLeaf, SignLeaf, SignRequest } from "../domain/sign-leaf.ts";
import { packRequests, unpackResults, type NamedCa, type SignedBatch } from "./signing-batch.ts";

export interface SigningThreadOptions {
  /** The CAs that may sign now, the same array for as long as they are the same: asked before each batch. */
  readonly cas: () => readonly NamedCa[];
  readonly logger: { error(fields: object, message: string): void };
}

export interface SigningThread extends Component {
  /** Rejects also with `SIGNER_LOST` (unavailable): the thread ended, nothing was issued; the next request starts another. */
  readonly sign: SignLeaf;
}

interface Waiting {
  readonly request: SignRequest;
  readonly resolve: (leaf: SignedLeaf) => void;
  readonly reject: (error: unknown) => void;
}

/** Largest batch: some 10 ms of cryptography. */
const maxBatch = 64;
/** While one is signed the next gathers: a message costs as much for one request as for many. */
const maxBatchesInFlight = 1;
const retryAfterMs = 250;
/** .ts in a checkout, .js in an image. */
const program = join(import.meta.dirname, `signing-worker${extname(import.meta.filename)}`);

/**
 * The cryptography of certificates on a thread of its own, beside the one that speaks gRPC, SQL and TLS. What arrives
 * while the thread is busy goes to it together, so that the way there costs little per certificate.
 */
export function createSigningThread(options: SigningThreadOptions): SigningThread {
  const waiting: Waiting[] = [];
  const inFlight = new Map<number, readonly Waiting[]>();
  let worker: Worker | undefined;
  /** What the thread was told. */
  let given: readonly NamedCa[] = [];
  let batches = 0;
  let isScheduled = false;
  let isStopped = false;

  function startWorker(): Worker {
    const started = new Worker(program, { name: "signing", env: {} });
    given = [];
    started.on("message", (message: "ready" | SignedBatch) => {
      if (message !== "ready") settle(message);
    });
    started.on("error", (error) => options.logger.error({ err: error }, "the signing thread failed"));
    started.once("exit", () => {
      if (worker === started) worker = undefined;
      loseAll();
    });
    worker = started;
    return started;
  }

  function settle(batch: SignedBatch): void {
    const requests = inFlight.get(batch.number) ?? [];
    inFlight.delete(batch.number);
    for (const [index, result] of unpackResults(batch).entries()) {
      if (result instanceof Error) requests[index]?.reject(result);
      else requests[index]?.resolve(result);
    }
    flush();
  }

  function loseAll(): void {
    const lost = [...inFlight.values()].flat();
    inFlight.clear();
    for (const { reject } of lost) reject(signerLost());
    if (waiting.length > 0) schedule();
  }

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(flush); // after everything that has arrived with this turn of the loop
  }

  function flush(): void {
    isScheduled = false;
    while (waiting.length > 0 && inFlight.size < maxBatchesInFlight) post(waiting.splice(0, maxBatch));
  }

  function post(batch: readonly Waiting[]): void {
    const number = ++batches;
    inFlight.set(number, batch);
    try {
      if (isStopped) throw signerLost();
      const thread = worker ?? startWorker();
      const requests = batch.map(({ request }) => request);
      const message = packRequests(number, { ...news(), requests });
      thread.postMessage(message, [message.csrs.buffer]);
    } catch (error) {
      inFlight.delete(number);
      for (const { reject } of batch) reject(error);
    }
  }

  /** What the thread has to know before it signs: a new CA needs no new thread, and no request waits for one. */
  function news(): { readonly cas: readonly NamedCa[]; readonly forget: readonly string[] } {
    const [before, now] = [given, options.cas()];
    if (before === now) return { cas: [], forget: [] };
    given = now;
    const added = now.filter(({ id }) => !before.some((ca) => ca.id === id));
    return {
      cas: added.map(({ id, certificateDer, privateKey }) => ({
        id,
        certificateDer: new Uint8Array(certificateDer), // a copy: Node's small buffers share their memory
        privateKey,
      })),
      forget: before.map(({ id }) => id).filter((id) => !now.some((ca) => ca.id === id)),
    };
  }

  return {
    name: "signing thread",
    sign: (request) => {
      const { promise, resolve, reject } = Promise.withResolvers<SignedLeaf>();
      waiting.push({ request, resolve, reject });
      schedule();
      return promise;
    },
    start: async (signal) => {
      await once(startWorker(), "message", { signal }); // "ready"
    },
    stop: async () => {
      isStopped = true;
      await worker?.terminate();
    },
  };
}

function signerLost(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "SIGNER_LOST",
    message: "the certificate was not signed; try again",
    retryAfterMs,
  });
}
