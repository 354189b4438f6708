// Runs on the base image's Node, before anything is installed.
import { install, runProgram } from "./install.mjs";

install();
runProgram("infra/docker/src/build-app.ts", process.argv.slice(2));
