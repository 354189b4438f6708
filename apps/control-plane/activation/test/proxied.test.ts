import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { addressList } from "@drawbridge/config";
import type { EventEnvelope } from "@drawbridge/contracts";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { anActivation, aTokenRequest, startEnvironment, tapEvents, type Environment } from "./harness.ts";

let environment: Environment;
beforeAll(async () => {
  environment = await startEnvironment();
}, 180_000);
afterAll(() => environment?.[Symbol.asyncDispose](), 60_000);

/** A load balancer that announces each connection as coming from `client()`. */
async function startBalancer(target: number, client: () => string): Promise<number> {
  const balancer = createServer((downstream) => {
    const upstream = connect({ host: "127.0.0.1", port: target });
    for (const socket of [downstream, upstream]) {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        downstream.destroy();
        upstream.destroy();
      });
    }
    upstream.write(`PROXY TCP4 ${client()} 198.51.100.1 40000 7410\r\n`);
    downstream.pipe(upstream).pipe(downstream);
  });
  balancer.listen(0, "127.0.0.1");
  await once(balancer, "listening");
  onTestFinished(() => void balancer.close());
  return (balancer.address() as AddressInfo).port; // TCP, so never a path
}

test("behind a load balancer that announces them, clients' own addresses count for tokens, limits and the audit trail (R14)", async () => {
  await using tap = await tapEvents(environment.bus);
  let client = "192.0.2.7";
  const start = (config: object) =>
    environment.startService({
      config: { PROXY_PROTOCOL_FROM: addressList().parse("127.0.0.1"), ...config },
      through: (port) => startBalancer(port, () => client),
    });
  const request = aTokenRequest({ allowedNetworks: ["203.0.113.0/24"] });

  // Each with a connection of its own: the address is told once per connection.
  let secretToken = "";
  {
    await using outside = await start({ ACTIVATIONS_PER_SECOND_PER_ADDRESS: 1, ACTIVATION_BURST_PER_ADDRESS: 1 });
    const created = await outside.tokens.createActivationToken(request);
    secretToken = created.secretToken;
    const activation = await anActivation(secretToken);
    const refused = outside.activate(activation);
    await expect(refused).rejects.toMatchObject({
      code: "ACTIVATION_SOURCE_REFUSED",
      message: expect.stringContaining("192.0.2.7") as string,
    });
    await expect(outside.activate(activation)).rejects.toMatchObject({ code: "ACTIVATION_RATE_LIMITED" });
    const tokenId = created.token?.tokenId;
    const [event] = await tap.until(
      1,
      ({ type, payload }: EventEnvelope) =>
        type === "activation.token.refused.v1" && "tokenId" in payload && payload.tokenId === tokenId,
    );
    expect(event?.payload).toMatchObject({ remoteAddress: "192.0.2.7" });
  }
  client = "203.0.113.9";
  await using inside = await start({});
  await expect(inside.activate(await anActivation(secretToken))).resolves.toMatchObject({
    fabricId: request.fabricId,
  });
});
