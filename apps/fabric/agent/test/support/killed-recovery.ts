// `drawbridge-agent recover` that kills itself with SIGKILL at a step: arguments are the step and the state folder.
import { recoverCommand } from "../../src/cli/recover-command.ts";
import { silentWorld } from "./silent-world.ts";

const [killAt, stateDir = ""] = process.argv.slice(2);

const exitCode = await recoverCommand(silentWorld, { stateDir }, ({ step }) => {
  if (step === killAt) process.kill(process.pid, "SIGKILL");
});
process.exit(exitCode);
