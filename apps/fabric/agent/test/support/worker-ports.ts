/**
 * Ports for the apps of this test worker alone: test files run side by side, and a port that is free for a moment in one
 * must not be taken by another. Vitest numbers its workers from 1.
 */
const worker = Number(process.env["VITEST_POOL_ID"] ?? 1);
const portsPerWorker = 200;
const from = 18_000 + (worker % 50) * portsPerWorker;

export const workerPorts = { from, to: from + portsPerWorker - 1 };
