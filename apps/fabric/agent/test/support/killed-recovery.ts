// `drawbridge-agent recover` that kills itself with SIGKILL at a step: arguments are the step and the state folder.
import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { recoverCommand } from "../../src/cli/recover-command.ts";

const [killAt, stateDir = ""] = process.argv.slice(2);

const exitCode = await recoverCommand(
  {
    env: {},
    stdin: process.stdin,
    out: () => undefined,
    err: () => undefined,
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
    signal: new AbortController().signal,
  },
  { stateDir },
  ({ step }) => {
    if (step === killAt) process.kill(process.pid, "SIGKILL");
  },
);
process.exit(exitCode);
