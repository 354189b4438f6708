import { expect, test } from "vitest";
import { isBlockedAddress } from "./blocked-address.ts";
import { findUrlProblem } from "./outbound-url.ts";

test.each([
  "169.254.169.254",
  "169.254.170.2",
  "::ffff:169.254.169.254",
  "::ffff:a9fe:a9fe",
  "[fe80::a9fe:a9fe]",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "0.0.0.0",
  "::",
  "224.0.0.1",
  "255.255.255.255",
  "ff02::1",
])("no policy may ask the address %s", (address) => {
  expect(isBlockedAddress(address)).toBe(true);
});

test.each([
  "127.0.0.1",
  "::1",
  "10.0.0.1",
  "192.168.1.1",
  "172.16.0.1",
  "fd12::1",
  "203.0.113.7",
  "issuer.example.com",
])("a policy may ask %s", (address) => {
  expect(isBlockedAddress(address)).toBe(false);
});

test.each([
  "https://169.254.169.254/latest/meta-data/",
  "https://2852039166/",
  "https://0xa9.0xfe.0xa9.0xfe/",
  "https://[::ffff:169.254.169.254]/",
  "https://[fe80::1]/",
])("a server at %s is refused when the policy is saved", (url) => {
  expect(findUrlProblem(url, { allowLoopbackHttp: false })).toBe("must not be a link-local or metadata address");
});
