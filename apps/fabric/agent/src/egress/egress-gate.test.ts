import { ConnectRequest, type LogLine } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { Departure } from "@drawbridge/egress";
import { expect, test } from "vitest";
import { createEgressGate } from "./egress-gate.ts";
import { inspectMessage } from "./inspect-message.ts";

const typeName = "drawbridge.tunnel.v1.ConnectRequest";

function gate(payload: "refused" | "allowed") {
  const departures: Departure[] = [];
  const egress = createEgressGate({ ledger: { record: (departure) => departures.push(departure) }, payload });
  return {
    departures,
    sendLogs: (lines: readonly LogLine[], errorCode = "") => {
      const value = { lines: [...lines], end: true, errorCode };
      const message: ConnectRequest = { seq: 1n, ack: 0n, correlationId: "", frame: { $case: "logsChunk", value } };
      egress.admit({ peer: "p", messageType: "t", sizeBytes: 10, content: { kind: "protobuf", typeName, message } });
    },
  };
}

const line: LogLine = { replicaId: "r", stream: "stdout", line: "customer data", at: undefined };

test("lets no payload out unless the fabric's owner allows it, and writes down only what left (data boundary)", () => {
  const closed = gate("refused");
  expect(() => closed.sendLogs([line])).toThrow(/holds customer data \(frame.logsChunk.lines/);
  expect(closed.departures).toEqual([]);
  const open = gate("allowed");
  open.sendLogs([line]);
  expect(open.departures[0]?.fields).toContainEqual({ path: "frame.logsChunk.lines[].line", dataClass: "PAYLOAD" });
});

test("lets an answer without content out of a frame that is made for payload", () => {
  const closed = gate("refused");
  closed.sendLogs([], "LOGS_NOT_ALLOWED");
  expect(closed.departures).toHaveLength(1);
});

test("refuses a field that the contracts gave no class", () => {
  expect(() => inspectMessage(typeName, { surprise: "x" })).toThrow("has no data class");
});

test("names fields and classes, never values", () => {
  const message = ConnectRequest.fromPartial({
    seq: 3n,
    frame: { $case: "status", value: { apps: [{ appId: "a secret", conditions: [{ reason: "a secret" }] }] } },
  });
  const fields = inspectMessage(typeName, message);
  expect(fields.map(({ path }) => path)).toEqual([
    "seq",
    "frame.status.apps[].appId",
    "frame.status.apps[].conditions[].reason",
  ]);
  expect(JSON.stringify(fields)).not.toContain("a secret");
});
