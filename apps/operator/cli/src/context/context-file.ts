import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";

/** Where the CLI is logged in, and as whom. */
export interface Context {
  /** Base URL of management-api. */
  readonly url: string;
  readonly username: string;
  /** API token; the file that holds it is 0600. */
  readonly token: string;
  readonly expiresAt: string;
  /** The control plane's trust bundle, as its JSON document. */
  readonly trustBundle: string;
}

const contextSchema = z.object({
  url: z.url(),
  username: z.string(),
  token: z.string(),
  expiresAt: z.string(),
  trustBundle: z.string(),
});

export interface ContextFile {
  readonly path: string;
  read(): Promise<Context | undefined>;
  write(context: Context): Promise<void>;
  remove(): Promise<void>;
}

/** The login of one user on this machine, in `<directory>/context.json`. */
export function createContextFile(directory: string): ContextFile {
  const path = join(directory, "context.json");
  return {
    path,
    read: async () => {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
      const parsed = contextSchema.safeParse(safeJson(text));
      if (parsed.success) return parsed.data;
      throw new DrawbridgeError({
        kind: "invalid_argument",
        code: "CLI_CONTEXT_UNREADABLE",
        message: `${path} is not a login that this version can read; run "drawbridge login" again`,
      });
    },
    write: async (context) => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const temporary = `${path}.tmp`;
      await writeFile(temporary, `${JSON.stringify(context, null, 2)}\n`, { mode: 0o600, flush: true });
      await rename(temporary, path);
    },
    remove: () => rm(path, { force: true }),
  };
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
