import { readFile } from "node:fs/promises";
import { DrawbridgeError } from "@drawbridge/errors";
import { writePrivateFile } from "../backing/secret-file.ts";
import { defaultPortBase } from "./ports.ts";

/** What a stack keeps between two starts. */
export interface StackFile {
  readonly portBase: number;
}

/**
 * The stack's settings: those of its first start. A port base that is asked for later must be the same, because agents
 * and logins remember the addresses.
 * @throws DrawbridgeError `STACK_FILE_UNREADABLE` | `PORT_BASE_FIXED` (failed_precondition)
 */
export async function resumeStackFile(path: string, askedPortBase: number | undefined): Promise<StackFile> {
  const found = await readStackFile(path);
  if (found === undefined) {
    const made: StackFile = { portBase: askedPortBase ?? defaultPortBase };
    await writePrivateFile(path, `${JSON.stringify(made)}\n`);
    return made;
  }
  if (askedPortBase === undefined || askedPortBase === found.portBase) return found;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "PORT_BASE_FIXED",
    message: `the stack in ${path} was made with port base ${found.portBase}, not ${askedPortBase}; leave --port-base away, or begin anew with --fresh`,
  });
}

async function readStackFile(path: string): Promise<StackFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const parsed: unknown = safeJson(text);
  if (typeof parsed === "object" && parsed !== null && "portBase" in parsed && typeof parsed.portBase === "number") {
    return { portBase: parsed.portBase };
  }
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "STACK_FILE_UNREADABLE",
    message: `${path} is damaged; begin anew with --fresh`,
  });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
