import { parentPort, workerData } from "node:worker_threads";
import { measureBareRates } from "./bare-signing.ts";

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
parentPort?.postMessage(measureBareRates(Number(workerData)));
