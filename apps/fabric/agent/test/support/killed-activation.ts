// `drawbridge-agent activate` that kills itself with SIGKILL at a step: arguments are the step, the token file, the state folder.
import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { activateCommand } from "../../src/cli/activate-command.ts";

const [killAt, tokenFile = "", stateDir = ""] = process.argv.slice(2);

const exitCode = await activateCommand(
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
  { tokenFile, stateDir, timeoutSeconds: 20 },
  (step) => {
    if (step === killAt) process.kill(process.pid, "SIGKILL");
  },
);
process.exit(exitCode);
