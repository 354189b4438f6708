import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ignore from "ignore";

export const ignoreFileName = ".drawbridgeignore";

/** Never wanted at run time, or dangerous to give away: version control, secrets of the developer, our own output. */
const defaultRules = [
  ".git",
  ".hg",
  ".svn",
  ".DS_Store",
  ".drawbridge",
  ignoreFileName,
  ".env",
  ".env.*",
  ".npmrc",
  "npm-debug.log*",
  "*.tgz",
];

export interface IgnoreRules {
  /** `path` is relative to the root of the bundle, with "/". */
  isIgnored(path: string, type: "file" | "directory"): boolean;
}

/** The rules for a directory: the defaults, then its .drawbridgeignore (syntax of .gitignore; "!" takes a default back), then `extra`. */
export async function loadIgnoreRules(directory: string, extra: readonly string[]): Promise<IgnoreRules> {
  const own = await readFile(join(directory, ignoreFileName), "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  const rules = ignore()
    .add(defaultRules)
    .add(own)
    .add([...extra]);
  return { isIgnored: (path, type) => rules.ignores(type === "directory" ? `${path}/` : path) };
}
