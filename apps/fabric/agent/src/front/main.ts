import { flushCompileCache } from "node:module";
import {
  createFrontStatusWriter,
  openTrafficTally,
  describePortHolder,
  frontArgument,
  frontConfigPath,
  frontStatusPath,
  processRef,
  readFrontConfig,
  readUnitSpec,
  trafficPath,
  unitPaths,
  watchEndpoints,
} from "@drawbridge/app-routes";
import { systemClock } from "@drawbridge/lifecycle";
import { createFrontServer } from "./front-server.ts";
import { createFrontTraffic } from "./front-traffic.ts";
import { createReplicaPool } from "./replica-pool.ts";

// Started by a shim as `main.ts --front=<folder>`. Serves one app at its stable port until SIGTERM.
const listenRetryMs = 100;
/** A port that was ours a moment ago may be held by the last thread of a front that is dying, or by a look whether it is free. */
const takenGraceMs = 2_000;
const clock = systemClock;
const stopping = new AbortController();
flushCompileCache(); // otherwise written only at the end of a life that should be long
process.on("SIGTERM", () => stopping.abort());

const directory = process.argv
  .find((argument) => argument.startsWith(frontArgument("")))
  ?.slice(frontArgument("").length);
if (directory === undefined) throw new Error("usage: main.ts --front=<folder>");
const config = readFrontConfig(frontConfigPath(directory));
if (config === undefined) throw new Error("the folder has no valid front.json");

const status = createFrontStatusWriter({ path: frontStatusPath(directory), process: processRef(process.pid), clock });
const pool = createReplicaPool(() => status.update({ draining: pool.draining() }));
const tally = openTrafficTally({ path: trafficPath(directory), clock });
const appId = readUnitSpec(unitPaths(directory))?.appId ?? "";
const traffic = createFrontTraffic({ tally, appId, clock });
const server = createFrontServer({ pool, appName: config.appName, traffic, clock });
const watching = watchEndpoints(
  {
    endpointsPath: config.endpointsPath,
    replicasDirectory: config.replicasDirectory,
    clock,
    onTable: ({ sequence, listed, routes }) => {
      pool.replace(routes, listed);
      status.update({ sequence, draining: pool.draining() });
    },
  },
  stopping.signal,
);

const listenSinceMs = clock.monotonicMs();
while (!stopping.signal.aborted) {
  const failure = await server.listen(config.address, config.port);
  if (failure === undefined) {
    status.update({ phase: "listening", detail: "" });
    break;
  }
  const isTaken = failure === "EADDRINUSE";
  const detail = isTaken ? (describePortHolder(config.port) ?? "") : failure;
  if (!isTaken || clock.monotonicMs() - listenSinceMs >= takenGraceMs)
    status.update({ phase: isTaken ? "port_in_use" : "cannot_listen", detail });
  await clock.sleep(listenRetryMs, stopping.signal).catch(() => undefined); // stopped: the loop ends
}

await watching;
status.update({ phase: "stopping" });
await server.close();
tally.flush();
process.exit(0);
