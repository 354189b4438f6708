import { expect, test } from "vitest";
import { clientBehindProxies, trustedList } from "./client-connection.ts";

const trusted = trustedList(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]);

test.each([
  ["a client behind one proxy", "10.0.0.1", "203.0.113.7", "203.0.113.7"],
  ["a client that lies about who it is", "10.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7"],
  ["several trusted hops", "10.0.0.1", "6.6.6.6, 203.0.113.7, 192.0.2.1, 10.2.3.4", "203.0.113.7"],
  ["a hop in between that is not trusted", "10.0.0.1", "203.0.113.7, 192.0.2.2, 10.2.3.4", "192.0.2.2"],
  ["IPv6", "2001:db8::1", "2001:db9::7, 2001:db8:1::2", "2001:db9::7"],
  ["IPv6 in brackets and with a port", "10.0.0.1", "[2001:db9::7]:4711", "2001:db9::7"],
  ["IPv4 in IPv6", "10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"],
  ["trusted IPv4 in IPv6", "10.0.0.1", "203.0.113.7, ::ffff:10.2.3.4", "203.0.113.7"],
  ["only trusted ones: the first of them", "10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"],
  ["no address at all", "10.0.0.1", "unknown, _hidden", "10.0.0.1"],
  ["a line end that somebody let through", "10.0.0.1", "203.0.113.7\r\nX: y", "10.0.0.1"],
])("the client is the last that is not a trusted proxy: %s", (_name, peer, forwardedFor, expected) => {
  expect(clientBehindProxies(peer, forwardedFor, trusted).clientAddress).toBe(expected);
});
