import { resolve } from "node:path";
import type { CommandWorld } from "../command-context.ts";
import { readGivenFile } from "./given-file.ts";

/**
 * A secret from a file, or from standard input for "-"; never from the command line, which others on the machine can read.
 * One line break at the end is not part of it.
 */
export async function readSecret(
  world: Pick<CommandWorld, "readInput" | "workingDirectory">,
  file: string,
  option: string,
): Promise<string> {
  const text =
    file === "-" ? await world.readInput() : await readGivenFile(resolve(world.workingDirectory, file), option);
  return text.replace(/\r?\n$/, "");
}
