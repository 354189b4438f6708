import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where a code is raised, and with which kinds as far as they stand beside it. */
export interface RaisedCode {
  /** Apps and packages, sorted. */
  readonly by: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

const sources = ["apps/*/*/src/**/*.ts", "packages/*/src/**/*.ts", "infra/local/src/**/*.ts"];
const notOurs = /\/src\/gen\/|\.test\.ts$/;

/** Capitals with at least one underscore; INTERNAL is the one code without. Leaves out EEXIST and its like. */
const literal = /"(INTERNAL|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g;
/** `code: "X"`, `errorCode: a ? "X" : "Y"`, `readonly code: "X" | "Y"`. */
const property = /\b(?:code|errorCode)\??:\s*([^,;{}]*)/g;
/** Functions that take a code as an argument; whoever writes another adds it here. */
const helper =
  /\b(?:refused|refuse|notFound|invalid|unavailable|kick|assertName|assertLabel|fieldError|requestInvalid)\(([^;{}]{0,400}?)(?:;|\{|\}|=>|$)/g;
const kindAndCode = /kind:\s*"(\w+)",\s*code:\s*"(\w+)"/g;

/** Every code that one source file raises, with the kind where it stands right before the code. */
export function codesIn(source: string): readonly { readonly code: string; readonly kind: string | undefined }[] {
  const text = withoutComments(source);
  const passages = [...text.matchAll(property), ...text.matchAll(helper)].map(([, passage = ""]) => passage);
  const codes = new Set(passages.flatMap((passage) => [...passage.matchAll(literal)].map(([, code = ""]) => code)));
  const kinds = [...text.matchAll(kindAndCode)].map(([, kind, code = ""]) => ({ code, kind }));
  return [...[...codes].map((code) => ({ code, kind: undefined })), ...kinds.filter(({ code }) => codes.has(code))];
}

/**
 * Every error code that the sources below `root` raise. It reads text, so it sees literals in `code:` properties and in
 * calls of the helpers above, and nothing else: not a code that is put together at run time, that comes from a table by
 * another key, or that is passed on from somebody else's answer. Codes that are only compared with
 * (`isDrawbridgeError(error, "X")`) do not count as raised.
 */
export function scanErrorCodes(root: string): ReadonlyMap<string, RaisedCode> {
  const raised = new Map<string, { readonly by: Set<string>; readonly kinds: Set<string> }>();
  for (const path of sources.flatMap((pattern) => globSync(pattern, { cwd: root }))) {
    if (notOurs.test(path)) continue;
    for (const { code, kind } of codesIn(readFileSync(join(root, path), "utf8"))) {
      const known = raised.get(code) ?? { by: new Set(), kinds: new Set() };
      raised.set(code, known);
      known.by.add(ownerOf(path));
      if (kind !== undefined) known.kinds.add(kind);
    }
  }
  return raised;
}

function withoutComments(source: string): string {
  return source
    .split("\n")
    .filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line))
    .join("\n");
}

/** "apps/fabric/agent/src/…" is agent, "packages/pki/src/…" pki, "infra/local/src/…" local. */
function ownerOf(path: string): string {
  const [top, second = "", third = ""] = path.split("/");
  return top === "apps" ? third : second;
}
