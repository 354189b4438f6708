import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { conditionSchema } from "../api/apis-types.ts";
import type { CommandWorld } from "../command-context.ts";
import { readSecret } from "../files/read-secret.ts";
import type { Condition } from "./condition-option.ts";

export interface PolicyOptions {
  readonly file?: string;
  readonly config?: string;
  readonly type?: string;
  readonly order?: number;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly set?: Readonly<Record<string, string>>;
  readonly condition?: readonly Condition[];
  readonly conditionRegex?: readonly Condition[];
  readonly module?: readonly string[];
  readonly baseVersion?: number;
  readonly dryRun?: boolean;
}

/** A policy in a file. */
const fileSchema = z.strictObject({
  name: z.string().optional(),
  type: z.string().optional(),
  order: z.int().optional(),
  enabled: z.boolean().optional(),
  configuration: z.record(z.string(), z.unknown()).optional(),
  conditions: z.array(conditionSchema.extend({ methods: z.string().default("*") })).optional(),
});

export interface PolicyInput {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
}

type PolicyFile = z.output<typeof fileSchema>;

/**
 * What is to be saved: the file first, options over it. Configuration comes from files or standard input, so that no secret
 * has to be on the command line; --set is for the rest. A file of several YAML documents is as many policies, which it says
 * all of.
 * @throws DrawbridgeError `POLICY_FILE_INVALID` | `POLICY_INCOMPLETE` (invalid_argument)
 */
export async function policyInputs(
  world: CommandWorld,
  given: string | undefined,
  options: PolicyOptions,
): Promise<readonly PolicyInput[]> {
  const files = options.file === undefined ? [{}] : await readPolicyFiles(world, options.file);
  if (files.length === 1) return [await policyInput(world, given, { options, file: files[0] ?? {} })];
  const { file: path = "", dryRun, enable, disable, ...others } = options;
  if (given !== undefined || Object.keys(others).some((name) => ofOnePolicy.has(name)) || enable || disable) {
    throw invalid(`${path} has several policies: name and options of one cannot be given besides`, undefined);
  }
  const inputs = await Promise.all(
    files.map((file) => policyInput(world, undefined, { options: dryRun ? { dryRun } : {}, file })),
  );
  if (new Set(inputs.map(({ name }) => name)).size < inputs.length)
    throw invalid(`${path} has a name twice`, undefined);
  return inputs;
}

const ofOnePolicy: ReadonlySet<string> = new Set([
  "config",
  "type",
  "order",
  "set",
  "condition",
  "conditionRegex",
  "module",
  "baseVersion",
]);

async function policyInput(
  world: CommandWorld,
  given: string | undefined,
  { options, file }: { readonly options: PolicyOptions; readonly file: PolicyFile },
): Promise<PolicyInput> {
  const name = given ?? file.name;
  const type = options.type ?? file.type;
  if (name === undefined || type === undefined) throw incomplete(name === undefined ? "a name" : "--type");
  const own = options.config === undefined ? file.configuration : await readObject(world, options.config, "--config");
  const set = Object.entries(options.set ?? {}).map(([key, text]) => [key, valueOf(text)] as const);
  const conditions = [...(options.condition ?? []), ...(options.conditionRegex ?? [])];
  const enabled = options.enable ? true : options.disable ? false : file.enabled;
  const order = options.order ?? file.order;
  const modules = await Promise.all(
    (options.module ?? []).map(async (path) => {
      const bytes = await readFile(resolve(world.workingDirectory, path)).catch((cause: unknown) => {
        throw invalid(`the module ${path} cannot be read`, cause);
      });
      return bytes.toString("base64");
    }),
  );
  return {
    name,
    body: {
      type,
      configuration: { ...own, ...Object.fromEntries(set) },
      conditions: conditions.length > 0 ? conditions : (file.conditions ?? []),
      ...(order === undefined ? {} : { order }),
      ...(enabled === undefined ? {} : { enabled }),
      ...(options.baseVersion === undefined ? {} : { baseVersion: options.baseVersion }),
      ...(options.dryRun ? { dryRun: true } : {}),
      ...(modules.length > 0 ? { modules } : {}),
    },
  };
}

async function readPolicyFiles(world: CommandWorld, path: string): Promise<readonly PolicyFile[]> {
  return (await readObjects(world, path, "--file")).map((object) => {
    const parsed = fileSchema.safeParse(object);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw invalid(`${path}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is not a policy"}`.trim(), undefined);
  });
}

async function readObject(world: CommandWorld, path: string, option: string): Promise<Record<string, unknown>> {
  const [object = {}, ...more] = await readObjects(world, path, option);
  if (more.length > 0) throw invalid(`${path} must be one map`, undefined);
  return object;
}

/** Of each document of the file; empty ones are none. */
async function readObjects(world: CommandWorld, path: string, option: string): Promise<Record<string, unknown>[]> {
  const documents = parseAllDocuments(await readSecret(world, path, option), { logLevel: "error" });
  const values = [...documents].map((document) => {
    // The parser's words quote the text, which may hold secrets.
    if (document.errors.length > 0) throw invalid(`${path} is neither YAML nor JSON`, document.errors[0]);
    return document.toJS() as unknown;
  });
  return values
    .filter((value) => value !== null)
    .map((value) => {
      const object = z.record(z.string(), z.unknown()).safeParse(value);
      if (object.success) return object.data;
      throw invalid(`${path} must be a map`, undefined);
    });
}

/** JSON where it is some, else the text: 5, true, ["a"], hello. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function invalid(message: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "POLICY_FILE_INVALID", message, cause });
}

function incomplete(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "POLICY_INCOMPLETE",
    message: `say ${what}, or have it in the file that --file names`,
  });
}
