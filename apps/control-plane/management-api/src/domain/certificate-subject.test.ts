import { spiffeId } from "@drawbridge/pki";
import { expect, test } from "vitest";
import { certificateSubject } from "./certificate-subject.ts";

const fabricId = "0197b0a0-0000-7000-8000-000000000001";
const parts = { trustDomain: "drawbridge.local", org: "default", fabricId };
const agent = spiffeId.agent({ ...parts, agentId: "0197b0a0-0000-7000-8000-000000000002" });

test.each([
  [agent, { name: "edge-berlin" }, "agent", "agent of edge-berlin"],
  [agent, "deleted", "agent", `agent of deleted fabric ${fabricId}`],
  [agent, undefined, "agent", `agent of fabric ${fabricId}`],
  [spiffeId.collector(parts), { name: "edge-berlin" }, "collector", "collector of edge-berlin"],
  ["spiffe://drawbridge.local/cp/activation", undefined, "service", "service activation"],
  [
    "spiffe://drawbridge.local/of/a/later/release",
    undefined,
    "unknown",
    "spiffe://drawbridge.local/of/a/later/release",
  ],
  ["", undefined, "unknown", "unknown"],
] as const)("%s with fabric %j is named by kind and text", (uri, fabric, kind, text) => {
  expect(certificateSubject(uri, fabric)).toEqual({ kind, text });
});
