// The program of the signing thread; see create-signing-thread.ts.
import { parentPort, workerData } from "node:worker_threads";
import { createLeafIssuer, type SigningCa } from "@drawbridge/pki";
import { createSignLeaf } from "../domain/sign-leaf.ts";
import { packResults, unpackRequests, type SigningBatch } from "./signing-batch.ts";

if (!parentPort) throw new Error("this is the program of a thread");
const port = parentPort;
const sign = createSignLeaf(createLeafIssuer(workerData as SigningCa)); // what create-signing-thread.ts hands over

async function answer(batch: SigningBatch): Promise<void> {
  const signed = packResults(batch.number, await Promise.allSettled(unpackRequests(batch).map(sign)));
  port.postMessage(signed, [signed.certificates.buffer]);
}

port.on("message", (batch: SigningBatch) => void answer(batch)); // never rejects: each request settles by itself
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
port.postMessage("ready");
