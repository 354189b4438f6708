#!/usr/bin/env node
import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { runProgram } from "./cli/program.ts";

const [verb = ""] = process.argv.slice(2);
const interrupted = new AbortController();
// `run` ends itself in order at a signal; the other commands are simply cut short.
if (verb !== "run") process.once("SIGINT", () => interrupted.abort(new Error("interrupted")));

process.exitCode = await runProgram(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
  signal: interrupted.signal,
});
process.exit();
