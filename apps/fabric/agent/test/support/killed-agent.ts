// `drawbridge-agent run` that kills itself with SIGKILL at a change of a file. Arguments: when, how often before, the end of the path,
// the state folder. The changes are caught below the agent, at Node's own functions: production code has no crash points.
import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { runProgram } from "../../src/cli/program.ts";
import { silentWorld } from "./silent-world.ts";

const [when = "", times, end = "", stateDir = ""] = process.argv.slice(2);
let left = Number(times);

function isTheOne(path: unknown): boolean {
  if (!String(path).endsWith(end)) return false;
  left -= 1;
  return left < 0;
}

function die(): void {
  process.kill(process.pid, "SIGKILL");
}

const { rename, rm } = fs;
fs.rename = async (from, to) => {
  const isHit = !when.endsWith("-removal") && isTheOne(to);
  if (isHit && when === "before") return die();
  await rename(from, to);
  if (isHit) die();
};
fs.rm = async (path, options) => {
  if (when.endsWith("-removal") && existsSync(path) && isTheOne(path)) {
    if (when === "amid-removal") await rm(join(String(path), "request.json"));
    return die();
  }
  await rm(path, options);
};
syncBuiltinESMExports();

process.exitCode = await runProgram(["run", "--state-dir", stateDir], {
  ...silentWorld,
  env: { DRAWBRIDGE_OPS_LISTEN: "127.0.0.1:0", DRAWBRIDGE_LOG_LEVEL: "error" },
});
