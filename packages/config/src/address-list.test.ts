import { expect, test } from "vitest";
import { addressList, createAddressList, network } from "./address-list.ts";

test.each([
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.1.2.3/8", "10.9.9.9", true],
  ["192.0.2.7/32", "192.0.2.7", true],
  ["192.0.2.7/32", "192.0.2.8", false],
  ["0.0.0.0/0", "203.0.113.9", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["2001:db8::/32", "2001:db8:ffff::1", true],
  ["2001:db8::/32", "2001:db9::1", false],
  ["::/0", "203.0.113.9", false],
])("%s and %s: %s", (net, address, isIn) => {
  expect(createAddressList([net]).includes(address)).toBe(isIn);
});

test("an IPv4 address that a listener for both kinds shows as IPv6 is the IPv4 address", () => {
  expect(createAddressList(["10.0.0.0/8"]).includes("::ffff:10.0.0.1")).toBe(true);
  expect(createAddressList(["::/0"]).includes("::ffff:10.0.0.1")).toBe(false);
});

test("what is no address is in no network, and nothing is in an empty list", () => {
  expect(createAddressList(["0.0.0.0/0", "::/0"]).includes("unknown")).toBe(false);
  expect(createAddressList([]).includes("10.0.0.1")).toBe(false);
});

test("a single address is a network of itself, and a setting names several", () => {
  expect(addressList().parse(" 192.0.2.7, 2001:DB8::1 ,10.0.0.0/8,").networks).toEqual([
    "192.0.2.7/32",
    "2001:db8::1/128",
    "10.0.0.0/8",
  ]);
  expect(addressList().parse("").networks).toEqual([]);
});

test.each([
  "10.0.0.0/33",
  "10.0.0.0/-1",
  "10.0.0.0/",
  "10.0.0/8",
  "2001:db8::/129",
  "10.0.0.0/8/8",
  "example.com",
  "fe80::1%eth0/64",
  "::ffff:10.0.0.0/104",
  "",
])("%j is not a network", (text) => {
  expect(network().safeParse(text).success).toBe(false);
});
