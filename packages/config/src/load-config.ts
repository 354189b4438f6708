import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { z } from "zod";

/** One field per environment variable, named without the prefix; every field has a description. */
export type ConfigSchema = z.ZodObject;

export interface LoadConfigOptions<S extends ConfigSchema> {
  readonly schema: S;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default "DRAWBRIDGE_". Any variable that has it and is not in the schema is an error, so that typing mistakes show. */
  readonly prefix?: string;
  /** Names without the prefix that belong to other programs: left alone, never read. */
  readonly foreign?: readonly string[];
}

/**
 * Parse the environment once.
 * @throws DrawbridgeError `CONFIG_INVALID` (invalid_argument) that names every variable at fault, and never its value if secret.
 */
export function loadConfig<S extends ConfigSchema>(options: LoadConfigOptions<S>): z.output<S> {
  const prefix = options.prefix ?? "DRAWBRIDGE_";
  const known = new Set(Object.keys(options.schema.shape));
  const foreign = new Set(options.foreign);
  const given: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(options.env)) {
    if (!name.startsWith(prefix) || value === undefined) continue;
    const field = name.slice(prefix.length);
    if (known.has(field)) given[field] = value;
    else if (!foreign.has(field))
      problems.push(`${name}: no such setting; known are ${[...known].map((key) => prefix + key).join(", ")}`);
  }
  const result = options.schema.safeParse(given);
  if (!result.success) {
    for (const issue of result.error.issues) {
      const name = prefix + issue.path.join(".");
      const field = String(issue.path[0] ?? "");
      problems.push(field in given || field === "" ? `${name}: ${issue.message}` : `${name}: is not set`);
    }
  }
  if (problems.length > 0 || !result.success) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "CONFIG_INVALID",
      message: `the configuration has ${problems.length} problem(s):\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    });
  }
  return result.data;
}

/**
 * For `main.ts` of a program: parse, or say on standard error what is wrong, where and how to mend it, and exit 1. A stack
 * trace would bury the one line that helps.
 */
export function loadConfigOrExit<S extends ConfigSchema>(
  options: LoadConfigOptions<S> & { readonly program: string },
): z.output<S> {
  try {
    return loadConfig(options);
  } catch (error) {
    if (!isDrawbridgeError(error, "CONFIG_INVALID")) throw error;
    const advice = "Correct these environment variables; the README of the program lists all that it knows.";
    process.stderr.write(`${options.program} cannot start: ${error.message}\n${advice} (${error.code})\n`);
    process.exit(1);
  }
}
