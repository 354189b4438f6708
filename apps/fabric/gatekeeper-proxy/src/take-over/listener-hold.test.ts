import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gatewayStatusPath, processRef, type FrontStatus } from "@drawbridge/app-routes";
import { tempDir } from "@drawbridge/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Change } from "../workers/protocol.ts";
import { ListenerHold } from "./listener-hold.ts";

let folder: Awaited<ReturnType<typeof tempDir>>;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder[Symbol.asyncDispose]());

const wanted: readonly Change[] = [
  {
    change: "listener_set",
    listener: {
      listenerId: "app-1",
      address: "127.0.0.1",
      port: 8080,
      tls: undefined,
      target: { kind: "app", appId: "app-1" },
    },
  },
];

/** What another gateway, which lives, says of the app. */
function otherSays(phase: FrontStatus["phase"], closedGates: number): void {
  const status: FrontStatus = {
    process: processRef(process.pid),
    phase,
    detail: "",
    sequence: 1,
    draining: {},
    closedGates,
  };
  writeFileSync(gatewayStatusPath(join(folder.path, "gateway.json"), "gateway-0"), JSON.stringify(status));
}

function aHold(closedGates: () => number): ListenerHold {
  const route = {
    appId: "app-1",
    appName: "orders",
    environment: "prod",
    address: "127.0.0.1",
    port: 8080,
    endpointsPath: "",
    replicasDirectory: "",
    statusPath: join(folder.path, "gateway.json"),
  };
  const table = { sequence: 1, listed: new Set<string>(), routes: [], deployments: [] };
  return new ListenerHold({ gatewayId: "gateway-1", app: () => ({ route, table }), closedGates });
}

test("a port that another gateway serves better waits until it does not, and is then everybody's", () => {
  otherSays("listening", 0);
  const hold = aHold(() => 1);
  expect(hold.filter(wanted)).toEqual([]);
  expect(hold.released()).toEqual([]);
  otherSays("stopping", 0);
  expect(hold.released()).toEqual(wanted);
  expect(hold.released()).toEqual([]);
});

test("a port that need not wait any more is told to all workers, not only to one that starts just then", () => {
  otherSays("listening", 0);
  let closed = 1;
  const hold = aHold(() => closed);
  expect(hold.filter(wanted)).toEqual([]);
  closed = 0;
  expect(hold.filterForOne(wanted)).toEqual([]);
  expect(hold.released()).toEqual(wanted);
  expect(hold.filterForOne(wanted)).toEqual(wanted);
});
