import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createOutboundFetch } from "../src/worker/policy/outbound-fetch.ts";

/* What policies may ask: servers of the operator, and never what a cloud answers for the machine itself. */

const request = { method: "GET" as const, headers: {}, timeoutMs: 5_000, maximumBytes: 1_000 };

/** A directory of names in which one leads to these addresses. */
function leadingTo(...addresses: readonly string[]): LookupFunction {
  return (_name, _options, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
}

async function startServer(): Promise<number> {
  const server = createServer((_, response) => response.end("keys")).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port; // a TCP server
}

test("a name is asked at the address to which it leads", async () => {
  const port = await startServer();
  const fetch = createOutboundFetch(leadingTo("127.0.0.1"));
  const answer = await fetch({ ...request, url: `http://issuer.example.com:${port}/keys` });
  expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([200, "keys"]);
});

test.each([
  [["169.254.169.254"]],
  [["fd00:ec2::254"]],
  [["::ffff:169.254.169.254"]],
  [["127.0.0.1", "169.254.169.254"]],
])("a name that leads to %s is not asked", async (addresses) => {
  const port = await startServer();
  const fetch = createOutboundFetch(leadingTo(...addresses));
  await expect(fetch({ ...request, url: `http://issuer.example.com:${port}/keys` })).rejects.toThrow(
    "metadata address",
  );
});

test.each(["http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "https://2852039166/"])(
  "%s is not asked",
  async (url) => {
    await expect(createOutboundFetch()({ ...request, url })).rejects.toThrow("metadata address");
  },
);
