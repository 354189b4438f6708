import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { expect, test } from "vitest";
import {
  endpointsPath,
  gatewayPaths,
  readEndpoints,
  readRoutes,
  watchEndpoints,
  writeEndpoints,
  writeRoutes,
  writeStateFile,
  type DeploymentEndpoints,
  type RoutingTable,
} from "../src/index.ts";

const deployment: DeploymentEndpoints = {
  key: "sha256:one",
  revision: "3",
  replicaIds: ["r3-a"],
  runtimeVersion: "4.1.0",
  level: "strict",
  levelSource: "environment",
  apis: [{ name: "orders", version: "v1", basePath: "/api", resources: [{ method: "GET", path: "/orders" }] }],
};

test("what the driver says of deployments and their APIs is what the gateway reads (GK 2)", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-routes-"));
  const path = endpointsPath(folder.path);
  const endpoints = { sequence: 4, replicaIds: ["r3-a"], deployments: [deployment] };
  writeEndpoints(path, endpoints);
  expect(readEndpoints(path)).toEqual(endpoints);
});

test("endpoints of an agent that knew no deployments are still read", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-routes-"));
  const path = endpointsPath(folder.path);
  writeStateFile(path, { sequence: 2, replicaIds: ["r1-a"] });
  expect(readEndpoints(path)).toEqual({ sequence: 2, replicaIds: ["r1-a"], deployments: [] });
});

test("endpoints with a level that is none of ours are not read at all: nothing is guessed (GK 5)", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-routes-"));
  const path = endpointsPath(folder.path);
  writeStateFile(path, { sequence: 2, replicaIds: [], deployments: [{ ...deployment, level: "lenient" }] });
  expect(readEndpoints(path)).toBeUndefined();
});

test("routes of an agent that knew no shared ports are still read, and open none", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-routes-"));
  const path = gatewayPaths(folder.path).routes;
  writeStateFile(path, { sequence: 1, apps: [] });
  expect(readRoutes(path)).toEqual({ sequence: 1, apps: [], shared: undefined });
});

test("routes are read as they were written", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-routes-"));
  const path = gatewayPaths(folder.path).routes;
  const routes = {
    sequence: 1,
    apps: [
      {
        appId: "app-1",
        appName: "shop",
        environment: "test",
        address: "127.0.0.1",
        port: 18_000,
        hosts: [{ host: "*.example.com", path: "/orders" }],
        endpointsPath: "/state/apps/app-1/endpoints.json",
        replicasDirectory: "/state/apps/app-1/replicas",
        statusPath: "/state/apps/app-1/gateway-status.json",
      },
    ],
    shared: {
      http: { address: "0.0.0.0", port: 80 },
      https: { address: "::", port: 443, certificatesDirectory: "/tls", defaultCertificate: "fallback" },
    },
  };
  writeRoutes(path, routes);
  expect(readRoutes(path)).toEqual(routes);
});

test("who watches endpoints hears of a change of deployments, and keeps what it had while a file makes no sense", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-routes-"));
  const path = endpointsPath(folder.path);
  const tables: RoutingTable[] = [];
  let heard = Promise.withResolvers<void>();
  const stopping = new AbortController();
  writeEndpoints(path, { sequence: 1, replicaIds: ["r3-a"], deployments: [deployment] });
  const watching = watchEndpoints(
    {
      endpointsPath: path,
      replicasDirectory: join(folder.path, "replicas"),
      clock: systemClock,
      onTable: (table) => {
        tables.push(table);
        heard.resolve();
      },
    },
    stopping.signal,
  );
  try {
    await heard.promise;
    expect(tables.at(-1)).toMatchObject({ sequence: 1, deployments: [deployment], routes: [] });
    heard = Promise.withResolvers();
    writeStateFile(path, "half a file");
    await heard.promise;
    expect(tables.at(-1)).toMatchObject({ sequence: 1, deployments: [deployment] });
    writeEndpoints(path, { sequence: 2, replicaIds: [], deployments: [] });
    while (tables.at(-1)?.sequence !== 2) {
      heard = Promise.withResolvers();
      await heard.promise;
    }
    expect(tables.at(-1)?.deployments).toEqual([]);
  } finally {
    stopping.abort();
    await watching;
  }
});
