import {
  findByArgument,
  initialUnitState,
  isOlder,
  processRef,
  readUnitSpec,
  readUnitState,
  readUnitWish,
  shimArgument,
  textsFromJson,
  unitPaths,
} from "@drawbridge/app-routes";
import { cryptoRandom, systemClock } from "@drawbridge/lifecycle";
import { flushCompileCache } from "node:module";
import { text } from "node:stream/consumers";
import { openAppOutput } from "./app-output.ts";
import { createLogWriter } from "./log-writer.ts";
import { createStateKeeper } from "./state-keeper.ts";
import { superviseUnit } from "./supervise-unit.ts";

// Started by the driver in a session of its own as `main.ts --unit=<folder>`; secrets come as JSON on stdin, "null" for
// none. SIGTERM ends the app, then this. Everything else that a terminal or an agent may send is none of its business.
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());
for (const signal of ["SIGINT", "SIGHUP", "SIGUSR2", "SIGPIPE"] as const) process.on(signal, () => undefined);

const directory = process.argv
  .find((argument) => argument.startsWith(shimArgument("")))
  ?.slice(shimArgument("").length);
if (directory === undefined) throw new Error("usage: main.ts --unit=<folder>");
const paths = unitPaths(directory);
const spec = readUnitSpec(paths);
if (spec === undefined) throw new Error("the folder has no valid spec.json");

const secretsText = await text(process.stdin);
const secrets = secretsText === "null" ? undefined : textsFromJson(JSON.parse(secretsText));
const argument = shimArgument(directory);
const self = processRef(process.pid);
const others = findByArgument((candidate) => candidate === argument).filter((pid) => pid !== process.pid);
const elder = others.map(processRef).find((other) => other !== undefined && self !== undefined && isOlder(other, self));
if (elder !== undefined) throw new Error(`process ${elder.pid} already has this unit`);

const clock = systemClock;
const state = createStateKeeper({ initial: readUnitState(paths) ?? initialUnitState, paths, clock });
state.update({ shim: self });
flushCompileCache(); // otherwise written only at the end of a life that should be long
const writer = createLogWriter({ directory: paths.logs, ...spec.logs });
const output = openAppOutput({ paths, writer, clock });
if (readUnitWish(paths)?.wish === "stop") stopping.abort();
await superviseUnit(
  { spec, paths, secrets, state, output, path: process.env["PATH"] ?? "", clock, random: cryptoRandom },
  stopping.signal,
);
await output.close();
process.exit(0); // a grandchild may still hold our pipes open
