import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createTestLogger } from "@drawbridge/testkit";
import { createProcessDriver } from "../../src/cluster/process/process-driver.ts";
import { anApp, never } from "./harness.ts";

// A stand-in for the agent that can be killed: applies one app, says so, and stays.
const [stateDirectory = "", appId = "", replicas = "1"] = process.argv.slice(2);
const driver = createProcessDriver({
  stateDirectory,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
  logger: createTestLogger().logger,
});
await driver.apply(
  anApp({ change: { appId, replicas: Number(replicas), secrets: { PASSWORD: "open sesame" } } }),
  never,
);
process.stdout.write("applied\n");
setInterval(() => undefined, 60_000);
