/** Where this machine gets its packages from. */
export interface AptSource {
  readonly uri: string;
  /** The release, such as "bookworm"; not its updates. */
  readonly suite: string;
  readonly components: readonly string[];
}

/**
 * The archive of the machine's own distribution among its sources, in either of apt's formats (sources.list(5)): the
 * first binary source whose suite is `codename`. Third parties' sources have other suites.
 */
export function findAptSource(texts: readonly string[], codename: string): AptSource | undefined {
  for (const text of texts) {
    for (const source of [...oneLineSources(text), ...stanzaSources(text)]) {
      if (source.suites.includes(codename)) return { uri: source.uri, suite: codename, components: source.components };
    }
  }
  return undefined;
}

interface Source {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

/** `deb [options] uri suite component...` */
function oneLineSources(text: string): readonly Source[] {
  const sources: Source[] = [];
  for (const line of text.split("\n")) {
    const [type, uri, suite, ...components] = words(line.replace(/#.*/, "").replace(/\[[^\]]*\]/, " "));
    if (type === "deb" && uri !== undefined && suite !== undefined) sources.push({ uri, suites: [suite], components });
  }
  return sources;
}

/** Stanzas of `Field: value`, divided by empty lines. */
function stanzaSources(text: string): readonly Source[] {
  const sources: Source[] = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const line of stanza.split("\n")) {
      const match = /^([A-Za-z-]+):(.*)$/.exec(line);
      if (match) fields.set((match[1] ?? "").toLowerCase(), match[2] ?? "");
    }
    const list = (name: string): readonly string[] => words(fields.get(name) ?? "");
    const [uri] = list("uris");
    if (uri !== undefined && list("types").includes("deb") && fields.get("enabled")?.trim() !== "no") {
      sources.push({ uri, suites: list("suites"), components: list("components") });
    }
  }
  return sources;
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
