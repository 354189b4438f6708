// Counts as fast as it can in the storage that it is given; a thread of counters.test.ts.
import { parentPort, workerData } from "node:worker_threads";
import { openCounters } from "../src/index.ts";

interface Task {
  readonly storage: SharedArrayBuffer;
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
  readonly subjects: number;
  readonly windows: number;
  readonly tries: number;
  readonly limit: number;
}

// What counters.test.ts passes.
const task = workerData as Task;
const arrived = new Int32Array(task.gate);
const counter = openCounters(task.storage, () => Date.now()).counter("policy/0");

// All threads begin at once, so that they meet in every window.
Atomics.add(arrived, 0, 1);
while (Atomics.load(arrived, 0) < task.threads) Atomics.wait(arrived, 1, 0, 1);

const allowed: number[] = [];
for (let window = 0; window < task.windows; window += 1) {
  for (let subject = 0; subject < task.subjects; subject += 1) {
    let count = 0;
    for (let attempt = 0; attempt < task.tries; attempt += 1) {
      if (counter.take(`client ${subject}`, window, task.limit, Date.now() + 60_000).isAllowed) count += 1;
    }
    allowed.push(count);
  }
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread, not a window
parentPort?.postMessage(allowed);
