import fc from "fast-check";
import { expect, test } from "vitest";
import type { PolicyType } from "../../policy-type.ts";
import { anExchange, createPolicy, problemsOf, verdictOf, type TestRequest } from "../../testing/harness.ts";
import { addressSubject } from "./address.ts";
import { createAddressSet } from "./address-set.ts";
import { ipAllowList, ipBlockList } from "./ip-lists.ts";

async function judge(type: PolicyType, configuration: unknown, request: TestRequest): Promise<string> {
  const policy = await createPolicy(type, configuration);
  return verdictOf(await policy.onRequest(anExchange(request)));
}

test.each([
  ["192.0.2.7", "192.0.2.7", true],
  ["192.0.2.7", "192.0.2.8", false],
  ["192.0.2.0/24", "192.0.2.255", true],
  ["192.0.2.0/24", "192.0.3.0", false],
  ["0.0.0.0/0", "8.8.8.8", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["::/0", "2001:db8::1", true],
  ["2001:db8::/32", "2001:DB8:ffff::1", true],
  ["2001:db8::/32", "2001:db9::1", false],
  ["2001:db8::1", "2001:0db8:0:0:0:0:0:1", true],
  ["192.0.2.0/24", "::ffff:192.0.2.9", true],
  ["192.0.2.0/24", "[::ffff:192.0.2.9]", true],
  ["fe80::/10", "fe80::1%eth0", true],
])("the list %s has %s: %s", async (network, clientAddress, isListed) => {
  expect(await judge(ipAllowList, { addresses: [network] }, { clientAddress })).toBe(
    isListed ? "pass" : "403 address_not_allowed",
  );
  expect(await judge(ipBlockList, { addresses: [network] }, { clientAddress })).toBe(
    isListed ? "403 address_blocked" : "pass",
  );
});

test.each(["", "unknown", "192.0.2", "192.0.2.1:80", "192.0.2.256", "_hidden", "2001:db8::1::2"])(
  "a request whose address cannot be told (%j) is refused by both lists",
  async (clientAddress) => {
    expect(await judge(ipAllowList, { addresses: ["0.0.0.0/0", "::/0"] }, { clientAddress })).toBe(
      "403 address_not_allowed",
    );
    expect(await judge(ipBlockList, { addresses: ["192.0.2.0/24"] }, { clientAddress })).toBe("403 address_blocked");
  },
);

const behindProxies = {
  addresses: ["203.0.113.9"],
  address: { source: "x_forwarded_for", trustedProxies: ["10.0.0.0/8", "192.0.2.1"] },
};

test.each<[string, TestRequest, string]>([
  ["the last proxy tells", { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": "203.0.113.9" } }, "pass"],
  ["through two proxies", { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": "203.0.113.9, 10.0.0.2" } }, "pass"],
  ["in two fields", { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": ["203.0.113.9", "10.0.0.2"] } }, "pass"],
  [
    "from a stranger it is ignored",
    { peerAddress: "198.51.100.1", headers: { "x-forwarded-for": "203.0.113.9" } },
    "403",
  ],
  [
    "what a client made up before it is ignored",
    { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": "203.0.113.9, 198.51.100.1" } },
    "403",
  ],
  ["without the field the proxy is meant", { peerAddress: "10.0.0.1" }, "403"],
  [
    "what is no address stands for nobody",
    { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": "203.0.113.9, unknown" } },
    "403",
  ],
  [
    "an empty one is skipped no further",
    { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": "203.0.113.9, " } },
    "403",
  ],
  [
    "more hops than there can be",
    { peerAddress: "10.0.0.1", headers: { "x-forwarded-for": `203.0.113.9${", 10.0.0.1".repeat(40)}` } },
    "403",
  ],
])("X-Forwarded-For is believed from trusted proxies only: %s", async (_rule, request, verdict) => {
  expect((await judge(ipAllowList, behindProxies, request)).split(" ", 1)[0]).toBe(verdict);
});

test("the other end of the connection can be meant instead", async () => {
  const configuration = { addresses: ["192.0.2.5"], address: { source: "connection" } };
  expect(await judge(ipAllowList, configuration, { peerAddress: "192.0.2.5", clientAddress: "198.51.100.1" })).toBe(
    "pass",
  );
});

test.each([
  "192.0.2.7/24",
  "192.0.2.0/33",
  "192.0.2.0/-1",
  "192.0.2.0/024",
  "192.0.2.0/",
  "192.0.2.0/24/1",
  "2001:db8::1/32",
  "2001:db8::/129",
  "::ffff:192.0.2.1/97",
  "fe80::1%eth0",
  "example.com",
  "",
])("refuses %j as a network", (network) => {
  expect(problemsOf(ipAllowList, { addresses: [network] })).toEqual([expect.stringMatching(/^addresses\.0: must be/)]);
});

test("an IPv4 network's members are those whose leading bits are its own", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (network, address, prefix) => {
      const bits = (text: string): bigint => text.split(".").reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
      const shift = BigInt(32 - prefix);
      const base = (bits(network) >> shift) << shift;
      const text = [24n, 16n, 8n, 0n].map((by) => (base >> by) & 255n).join(".");
      expect(createAddressSet([`${text}/${prefix}`])(address)).toBe(bits(address) >> shift === base >> shift);
    }),
  );
});

test("an address counts as itself, an IPv6 address as its /64 in one spelling", () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      expect(createAddressSet([addressSubject(address)])(address)).toBe(true);
    }),
  );
  expect(addressSubject("::1")).toBe("0:0:0:0::/64");
  expect(addressSubject("nobody")).toBe("");
});
