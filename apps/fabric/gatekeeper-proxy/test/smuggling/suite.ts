import type { SmugglingCase } from "./case.ts";
import { clientCases } from "./client-cases.ts";
import { framingCases } from "./framing-cases.ts";
import { headCases } from "./head-cases.ts";
import { hopByHopCases } from "./hop-by-hop-cases.ts";
import { http2Cases } from "./http2-cases.ts";
import { responseCases } from "./response-cases.ts";
import { runHttp2Case } from "./run-http2-case.ts";
import { runRequestCase, type Lane } from "./run-request-case.ts";
import { runResponseCase } from "./run-response-case.ts";
import { targetCases } from "./target-cases.ts";

/** Every case by hand: what a client, an HTTP/2 client or an upstream may send to make two readers disagree. */
export const smugglingCases: readonly SmugglingCase[] = [
  ...framingCases,
  ...headCases,
  ...targetCases,
  ...hopByHopCases,
  ...clientCases,
  ...responseCases,
  ...http2Cases,
];

/** A gateway's port without TLS, one with, and the upstream behind both. */
export interface SmugglingLane extends Lane {
  readonly securePort: number;
}

export async function runSmugglingCase(lane: SmugglingLane, one: SmugglingCase): Promise<readonly string[]> {
  switch (one.kind) {
    case "request":
      return runRequestCase(lane, one);
    case "response":
      return runResponseCase(lane, one);
    case "http2":
      return runHttp2Case({ ...lane, port: lane.securePort }, one);
  }
}
