import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSpiffeId, parseSpiffeId, spiffeId } from "./spiffe-id.ts";

const trustDomain = "drawbridge.local";
const org = "acme";
const fabricId = "018f0000-0000-7000-8000-00000000000a";

test("names agents, collectors, gateways and services (R1)", () => {
  expect(spiffeId.agent({ trustDomain, org, fabricId, agentId: fabricId })).toBe(
    `spiffe://drawbridge.local/org/acme/fabric/${fabricId}/agent/${fabricId}`,
  );
  expect(spiffeId.collector({ trustDomain, org, fabricId })).toBe(
    `spiffe://drawbridge.local/org/acme/fabric/${fabricId}/collector`,
  );
  expect(spiffeId.gateway({ trustDomain, org, fabricId, gatewayId: fabricId })).toBe(
    `spiffe://drawbridge.local/org/acme/fabric/${fabricId}/gateway/${fabricId}`,
  );
  expect(spiffeId.service({ trustDomain, service: "runtime-manager" })).toBe(
    "spiffe://drawbridge.local/cp/runtime-manager",
  );
});

const refused = [
  ["an empty text", ""],
  ["another scheme", "https://drawbridge.local/cp/activation"],
  ["a scheme in capitals", "SPIFFE://drawbridge.local/cp/activation"],
  ["a port", "spiffe://drawbridge.local:443/cp/activation"],
  ["a user", "spiffe://me@drawbridge.local/cp/activation"],
  ["a query", "spiffe://drawbridge.local/cp/activation?x=1"],
  ["a fragment", "spiffe://drawbridge.local/cp/activation#x"],
  ["a trailing slash", "spiffe://drawbridge.local/cp/activation/"],
  ["a dot segment", "spiffe://drawbridge.local/cp/../cp/activation"],
  ["percent encoding", "spiffe://drawbridge.local/cp/%61ctivation"],
  ["a line end", "spiffe://drawbridge.local/cp/activation\n"],
  ["capitals in the name", "spiffe://drawbridge.local/cp/Activation"],
  ["capitals in a UUID", `spiffe://d/org/acme/fabric/${fabricId.toUpperCase()}/collector`],
  ["an agent without an id", `spiffe://d/org/acme/fabric/${fabricId}/agent/`],
  ["a collector with an id", `spiffe://d/org/acme/fabric/${fabricId}/collector/${fabricId}`],
  ["an unknown role", `spiffe://d/org/acme/fabric/${fabricId}/admin`],
  ["an organisation of 64 characters", `spiffe://d/org/${"a".repeat(64)}/fabric/${fabricId}/collector`],
] as const;

test.each(refused)("refuses %s", (_what, uri) => {
  expect(() => parseSpiffeId(uri)).toThrow(expect.objectContaining({ code: "SPIFFE_ID_INVALID" }));
});

test("every accepted text is the only text of its identity", () => {
  const slug = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?$/);
  fc.assert(
    fc.property(slug, slug, fc.uuid(), fc.uuid(), (domain, name, fabric, subject) => {
      const ids = [
        spiffeId.agent({ trustDomain: domain, org: name, fabricId: fabric, agentId: subject }),
        spiffeId.gateway({ trustDomain: domain, org: name, fabricId: fabric, gatewayId: subject }),
        spiffeId.collector({ trustDomain: domain, org: name, fabricId: fabric }),
        spiffeId.service({ trustDomain: domain, service: name }),
      ];
      for (const id of ids) expect(formatSpiffeId(parseSpiffeId(id))).toBe(id);
    }),
  );
});

test("any text is either refused or read back as itself", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string({ unit: "grapheme-ascii" }).map((text) => `spiffe://d/cp/${text}`),
      ),
      (text) => {
        let identity: ReturnType<typeof parseSpiffeId>;
        try {
          identity = parseSpiffeId(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "SPIFFE_ID_INVALID" });
          return;
        }
        expect(formatSpiffeId(identity)).toBe(text);
      },
    ),
  );
});

test("refuses to make an ID from a part that would change its meaning", () => {
  expect(() => spiffeId.service({ trustDomain, service: "activation/../cert-authority" })).toThrow();
  expect(() => spiffeId.collector({ trustDomain, org: "a/fabric/b", fabricId })).toThrow();
});
