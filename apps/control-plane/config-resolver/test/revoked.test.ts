import { randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aBundle, type TestBundle } from "./support/bundles.ts";
import { startEnvironment, type Environment, type ResolverProcess } from "./support/environment.ts";
import { codeOf, open, send } from "./support/http.ts";

/** More than what the system keeps for a connection: the download is under way for as long as nobody reads. */
const sizeBytes = 40_000_000;
const suite = new AsyncDisposableStack();
let environment: Environment;
let resolver: ResolverProcess;
let bundle: TestBundle;

beforeAll(async () => {
  environment = suite.use(await startEnvironment());
  await environment.nats.kill();
  resolver = suite.use(await environment.start({ until: "ready" }));
  bundle = await aBundle(environment.folder, { sizeBytes });
  const { status } = await send({
    identity: environment.managementApi,
    port: resolver.ports.upload,
    method: "PATCH",
    path: bundle.path,
    headers: { "upload-offset": 0, "upload-length": bundle.bytes.byteLength },
    body: bundle.bytes,
  });
  expect(status).toBe(201);
});
afterAll(() => suite.disposeAsync());

async function anAgent() {
  const fabricId = randomUUID();
  environment.peers.deployed.add(`${fabricId} ${bundle.digest}`);
  return environment.ca.issueAgent({ org: "acme", fabricId, agentId: randomUUID() });
}

test("a start without NATS serves artefacts, and says that it is degraded", async () => {
  const readiness = await fetch(`http://127.0.0.1:${resolver.ports.ops}/readyz`);
  expect([readiness.status, await readiness.json()]).toMatchObject([200, { degraded: ["bus"] }]);
  const call = { port: resolver.ports.fabric, method: "GET", path: bundle.path };
  const answer = await send({ ...call, identity: await anAgent() });
  expect(answer.body.byteLength).toBe(bundle.bytes.byteLength);
});

test("a download is cut when its certificate is revoked, without NATS too, and a second one is refused (REN 6)", async () => {
  const identity = await anAgent();
  const call = { identity, port: resolver.ports.fabric, method: "GET", path: bundle.path };
  const { answered } = await open(call);
  const response = await answered;
  const other = await open({ ...call, identity: await anAgent() });
  let received = 0;
  const reading = (async () => {
    for await (const chunk of response) {
      if (received === 0) environment.peers.revoke(identity);
      received += (chunk as Buffer).byteLength; // a stream of bytes
      await pause(20); // slower than the next poll comes
    }
  })();
  await expect(reading).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(received).toBeLessThan(bundle.bytes.byteLength);
  const again = await send(call);
  expect([again.status, codeOf(again)]).toEqual([403, "CERTIFICATE_REVOKED"]);
  expect((await buffer(await other.answered)).byteLength).toBe(bundle.bytes.byteLength);
});
