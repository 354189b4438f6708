import { expect, test } from "vitest";
import { fabricCertificateName } from "./certificate-name.ts";

const fabricId = "018f0000-0000-7000-8000-00000000000a";
const subjectId = "018f0000-0000-7000-8000-00000000000b";
const base = `spiffe://drawbridge.local/org/acme/fabric/${fabricId}`;

test.each([
  ["agent", subjectId, `${base}/agent/${subjectId}`],
  ["gateway", subjectId, `${base}/gateway/${subjectId}`],
  ["collector", "", `${base}/collector`],
] as const)("names the %s of a fabric (R1)", (profile, subject, name) => {
  expect(fabricCertificateName("drawbridge.local", { profile, org: "acme", fabricId, subjectId: subject })).toBe(name);
});

test.each([
  ["an agent without an id", "agent", "acme", ""],
  ["an agent with an id that is a path", "agent", "acme", "../../cp/activation"],
  ["a collector with an id", "collector", "acme", subjectId],
  ["an organisation that is a path", "collector", "acme/fabric/x", ""],
  ["an organisation in capitals", "collector", "Acme", ""],
  ["no organisation", "collector", "", ""],
] as const)("refuses %s", (_what, profile, org, subject) => {
  expect(() => fabricCertificateName("drawbridge.local", { profile, org, fabricId, subjectId: subject })).toThrow(
    expect.objectContaining({ kind: "invalid_argument" }),
  );
});
