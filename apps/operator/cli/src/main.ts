#!/usr/bin/env node
import { homedir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import password from "@inquirer/password";
import packageJson from "../package.json" with { type: "json" };
import { askConfirmation } from "./ask-confirmation.ts";
import { createContextFile } from "./context/context-file.ts";
import { readStandardInput } from "./read-input.ts";
import { runCli } from "./run-cli.ts";

const aborting = new AbortController();
process.on("SIGINT", () => {
  if (aborting.signal.aborted) process.exit(130);
  aborting.abort(new Error("interrupted"));
});
// A reader that went away (`drawbridge app list | head -1`) is not an error.
process.stdout.on("error", () => process.exit(0));

const configDirectory =
  process.env["DRAWBRIDGE_CONFIG_DIR"] ??
  join(process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "drawbridge");

process.exitCode = await runCli(
  {
    contextFile: createContextFile(configDirectory),
    clock: systemClock,
    stdout: process.stdout,
    stderr: process.stderr,
    askSecret: (message) => password({ message }),
    confirm: (question) =>
      askConfirmation(question, { input: process.stdin, output: process.stderr, signal: aborting.signal }),
    readInput: () => readStandardInput(process.stdin),
    workingDirectory: process.cwd(),
    signal: aborting.signal,
  },
  process.argv.slice(2),
  packageJson.version,
);
