import { Welcome } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { expect, test } from "vitest";
import { boundedWaitMs, termsFromWelcome } from "./session-terms.ts";

test.for([
  ["nothing said", {}, { heartbeatMs: 15_000, deadAfterMs: 45_000, reconnectWindowMs: 0 }],
  [
    "a server that would make the agent spin",
    { heartbeatMs: 1, deadAfterMs: 1 },
    { heartbeatMs: 100, deadAfterMs: 300 },
  ],
  [
    "a server that would make it sleep",
    { heartbeatMs: 2 ** 31, reconnectWindowMs: 2 ** 31 },
    { heartbeatMs: 60_000, reconnectWindowMs: 600_000 },
  ],
  ["dead before the second heartbeat", { heartbeatMs: 30_000, deadAfterMs: 31_000 }, { deadAfterMs: 60_000 }],
] as const)("keeps terms within bounds: %s (R12)", ([, welcome, terms]) => {
  expect(termsFromWelcome(Welcome.fromPartial(welcome))).toMatchObject(terms);
});

test("waits no longer than ten minutes for a server, and never less than nothing", () => {
  expect([-1, 0, 5_000, 600_001, 2 ** 53, Infinity].map(boundedWaitMs)).toEqual([
    0, 0, 5_000, 600_000, 600_000, 600_000,
  ]);
});
