// `node image.mjs <out>`: what the images of all apps hold. Runs on the base image's Node, before anything is installed.
import { install, runProgram } from "./install.mjs";

install();
runProgram("infra/docker/src/build-apps.ts", process.argv.slice(2));
