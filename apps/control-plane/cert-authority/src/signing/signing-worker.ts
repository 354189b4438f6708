// The program of the signing thread; see create-signing-thread.ts.
import { parentPort } from "node:worker_threads";
import { DrawbridgeError } from "@drawbridge/errors";
import { createLeafIssuer, type LeafIssuer } from "@drawbridge/pki";
import { createSignLeaf } from "../domain/sign-leaf.ts";
import { packResults, unpackRequests, type SigningBatch } from "./signing-batch.ts";

if (!parentPort) throw new Error("this is the program of a thread");
const port = parentPort;
const issuers = new Map<string, LeafIssuer>();
const sign = createSignLeaf((issuerId) => {
  const issuer = issuers.get(issuerId);
  if (issuer) return issuer;
  throw new DrawbridgeError({
    kind: "unavailable",
    code: "ISSUING_CA_RETIRED",
    message: "the CA that should sign is retired by now; try again",
  });
});

async function answer(batch: SigningBatch): Promise<void> {
  const signed = packResults(batch.number, await Promise.allSettled(unpackRequests(batch).map(sign)));
  port.postMessage(signed, [signed.certificates.buffer]);
}

port.on("message", (batch: SigningBatch) => {
  for (const { id, ...ca } of batch.cas) issuers.set(id, createLeafIssuer(ca));
  for (const id of batch.forget) issuers.delete(id);
  void answer(batch); // never rejects: each request settles by itself
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
port.postMessage("ready");
