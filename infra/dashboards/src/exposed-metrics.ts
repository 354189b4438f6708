import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export type InstrumentKind = "counter" | "gauge" | "histogram";

/** By service ("cert-authority"): what its program makes, by the name in the code, without the prefix. */
export type Instruments = ReadonlyMap<string, ReadonlyMap<string, InstrumentKind>>;

/**
 * The instruments of every service, read from its program: from src/main.ts along the imports, in packages along the names
 * that are imported. What no program imports is exposed by none.
 */
export function readInstruments(repository: string): Instruments {
  const services = ["control-plane", "fabric"].flatMap((part) => {
    const folder = join(repository, "apps", part);
    return readdirSync(folder).map((name) => join(folder, name));
  });
  return new Map(
    services
      .map((folder) => join(folder, "src/main.ts"))
      .filter((main) => existsSync(main))
      .map((main) => [basename(join(main, "../..")), instrumentsOf(programOf(main, repository))]),
  );
}

const importPattern = /^(?:import|export) (\{[^}]*\}|\* as \w+|\w+) from "([^"]+)";/gm;

/** Every file of a program, with its text. */
function programOf(main: string, repository: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const waiting = [main];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (files.has(path)) continue;
    const text = readFileSync(path, "utf8");
    files.set(path, text);
    for (const [, names = "", from = ""] of text.matchAll(importPattern)) {
      waiting.push(...filesBehind({ names, from, importer: path, repository }));
    }
  }
  return files;
}

function filesBehind(imported: {
  readonly names: string;
  readonly from: string;
  readonly importer: string;
  readonly repository: string;
}): readonly string[] {
  const { names, from, importer, repository } = imported;
  if (from.startsWith(".")) return [join(dirname(importer), from)];
  const [scope, name, ...door] = from.split("/");
  // Contracts are generated and make no instruments.
  if (scope !== "@drawbridge" || name === undefined || name === "contracts") return [];
  const folder = join(repository, "packages", name);
  const doors = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).exports as Record<string, string>;
  const index = join(folder, doors[["."].concat(door).join("/")] ?? "");
  const wanted = new Set(valuesIn(names));
  return [...readFileSync(index, "utf8").matchAll(importPattern)].flatMap(([, exported = "", source = ""]) =>
    source.startsWith(".") && valuesIn(exported).some((one) => wanted.has(one)) ? [join(dirname(index), source)] : [],
  );
}

/** "{ a, type B, c as d }": a and c. */
function valuesIn(names: string): readonly string[] {
  return names
    .replaceAll(/[{}\n]/g, " ")
    .split(",")
    .map((one) => one.trim().split(/\s+as\s+/)[0] ?? "")
    .filter((one) => one !== "" && !one.startsWith("type "));
}

const instrumentPattern = /\.(counter|gauge|histogram)\(\s*(?:"([a-z0-9_]+)"|`\$\{(\w+)\}([a-z0-9_]+)`)/g;

function instrumentsOf(files: ReadonlyMap<string, string>): ReadonlyMap<string, InstrumentKind> {
  const instruments = new Map<string, InstrumentKind>();
  for (const text of files.values()) {
    for (const match of text.matchAll(instrumentPattern)) {
      const [, kind, name, parameter, rest = ""] = match;
      const names = name === undefined ? valuesGiven(files, { text, parameter, before: match.index }) : [name];
      // The pattern has no other kinds.
      for (const one of names) instruments.set(one + (name === undefined ? rest : ""), kind as InstrumentKind);
    }
  }
  return instruments;
}

/** What callers give for the name that an exported function takes as its second parameter. */
function valuesGiven(
  files: ReadonlyMap<string, string>,
  {
    text,
    parameter,
    before,
  }: { readonly text: string; readonly parameter: string | undefined; readonly before: number },
): readonly string[] {
  const maker = [...text.slice(0, before).matchAll(/export function (\w+)\(/g)].at(-1)?.[1];
  if (maker === undefined || parameter === undefined) return [];
  const call = new RegExp(`(?<!function )\\b${maker}\\([^,()]+, "([a-z0-9_]+)"`, "g");
  return [...files.values()].flatMap((one) => [...one.matchAll(call)].map(([, value = ""]) => value));
}
