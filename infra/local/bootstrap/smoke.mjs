// `npm run smoke`: install, then do the main job once on a throw-away stack.
import { install, runProgram } from "./install.mjs";

install();
runProgram("infra/local/src/main.ts", ["smoke", ...process.argv.slice(2)]);
