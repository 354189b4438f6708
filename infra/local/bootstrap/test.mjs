// `npm test`: install, then run every suite. Arguments are handed to vitest.
import { install, runProgram } from "./install.mjs";

install();
runProgram("node_modules/vitest/vitest.mjs", ["run", ...process.argv.slice(2)]);
