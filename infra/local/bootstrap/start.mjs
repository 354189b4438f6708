// `npm start`: install, then run the local stack until Ctrl-C.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { environment, install, node, root } from "./install.mjs";

install();
const stack = spawn(node, [join(root, "infra/local/src/main.ts"), "start", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: environment,
});
// Ctrl-C reaches the stack through the terminal's process group; here we only stay until it has stopped everything.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => stack.kill("SIGTERM"));
stack.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
