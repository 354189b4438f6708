import { stat } from "node:fs/promises";
import { join } from "node:path";
import { GatewayServiceClient, GatewayServiceService } from "@drawbridge/contracts/gateway/v1/gateway_service";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { createGrpcClient, createUnixGrpcServer, defineGrpcService } from "../src/index.ts";

const forever = new AbortController().signal;
const { logger } = createTestLogger();

async function aServer(path: string) {
  const server = createUnixGrpcServer({
    name: "feed",
    path,
    services: [
      defineGrpcService(GatewayServiceService, {
        allow: {
          connect: ["anyone"],
          getObjects: ["anyone"],
          reportRoutes: [],
          getAnalyticsAccess: [],
          reportInsight: [],
        },
        handlers: {
          connect: async (call) => {
            for await (const { frame } of call) {
              if (frame?.$case === "hello")
                call.write({
                  frame: { $case: "link", value: { isUp: true, since: undefined, reason: "", announcedDigest: "" } },
                });
            }
          },
          getObjects: async ({ digests }) => ({ objects: digests }),
          reportRoutes: () => Promise.reject(new Error("not asked for")),
          getAnalyticsAccess: () => Promise.reject(new Error("not asked for")),
          reportInsight: () => Promise.reject(new Error("not asked for")),
        },
      }),
    ],
    logger,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  return server;
}

function aClient(path: string) {
  const client = createGrpcClient(GatewayServiceClient, {
    address: path,
    identity: "unix-socket",
    expectedServer: "agent",
    logger,
  });
  onTestFinished(() => client.stop(forever));
  return client;
}

test("only its own user may open the socket", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "gateway", "feed.sock");
  await aServer(path);
  expect((await stat(join(folder.path, "gateway"))).mode & 0o777).toBe(0o700);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("calls and streams pass, and who is connected sees at once that the server is gone", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "feed.sock");
  const server = await aServer(path);
  const client = aClient(path);
  const object = Buffer.from("bytes");
  expect((await client.call.getObjects({ digests: [object] })).objects).toEqual([object]);
  const stream = client.call.connect();
  const ended = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<unknown>();
  stream.on("data", (answer) => answered.resolve(answer));
  stream.on("error", () => ended.resolve());
  stream.write({ frame: { $case: "hello", value: { bootId: "b", gatewayId: "gateway-0", rootDigest: "" } } });
  expect(await answered.promise).toMatchObject({ frame: { $case: "link", value: { isUp: true } } });
  await server.stop(AbortSignal.abort());
  await ended.promise;
});

test("a socket that an earlier process left is no obstacle, and a client finds the next server", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "feed.sock");
  const first = await aServer(path);
  const client = aClient(path);
  await client.call.getObjects({ digests: [] });
  const second = await aServer(path); // the first one's socket still lies there
  await first.stop(AbortSignal.abort()).catch(() => undefined);
  await second.stop(AbortSignal.abort());
  await aServer(path);
  expect((await client.call.getObjects({ digests: [] }, { idempotent: true })).objects).toEqual([]);
});

test("a path that the system cannot take is refused in words", async () => {
  await using folder = await tempDir();
  await expect(aServer(join(folder.path, "x".repeat(100), "feed.sock"))).rejects.toMatchObject({
    code: "SOCKET_PATH_TOO_LONG",
  });
});
