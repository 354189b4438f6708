// `drawbridge-agent activate` that kills itself with SIGKILL at a step: arguments are the step, the token file, the state folder.
import { activateCommand } from "../../src/cli/activate-command.ts";
import { silentWorld } from "./silent-world.ts";

const [killAt, tokenFile = "", stateDir = ""] = process.argv.slice(2);

const exitCode = await activateCommand(
  silentWorld,
  { tokenFile, stateDir, timeoutSeconds: 20, approvalTimeoutSeconds: 20 },
  (step) => {
    if (step === killAt) process.kill(process.pid, "SIGKILL");
  },
);
process.exit(exitCode);
