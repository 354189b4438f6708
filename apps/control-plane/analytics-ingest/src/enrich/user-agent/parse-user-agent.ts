import Bowser from "bowser";
import { isbot } from "isbot";
import { knownProgramOf } from "./known-programs.ts";

/** What is kept of a User-Agent; each text is empty where it is not known. */
export interface UserAgentFacts {
  /** Browser, or the program that asked; from closed lists. */
  readonly browser: string;
  readonly type: "browser" | "bot" | "library" | "other" | "";
  /** Of the browser or program. */
  readonly version: string;
  /** "desktop", "mobile", "tablet", "tv". */
  readonly hardwarePlatform: string;
  readonly osFamily: string;
  readonly osMajorVersion: string;
  readonly osMinorVersion: string;
  readonly osVersion: string;
}

export const noUserAgent: UserAgentFacts = {
  browser: "",
  type: "",
  version: "",
  hardwarePlatform: "",
  osFamily: "",
  osMajorVersion: "",
  osMinorVersion: "",
  osVersion: "",
};

/** What tells browsers apart comes first; the work that one may cause is bounded by its length. */
const mostCharacters = 256;
const browsers: ReadonlySet<string> = new Set(Object.values(Bowser.BROWSER_MAP));
const systems: ReadonlySet<string> = new Set(Object.values(Bowser.OS_MAP));
const platforms: ReadonlySet<string> = new Set(["desktop", "mobile", "tablet", "tv"]);

/** Names come from closed lists and versions are digits and dots, so that nothing else that a client wrote is kept. */
export function parseUserAgent(text: string): UserAgentFacts {
  const userAgent = text.slice(0, mostCharacters);
  if (userAgent === "") return noUserAgent;
  const program = knownProgramOf(userAgent);
  if (program !== undefined) {
    return { ...noUserAgent, browser: program.name, type: program.kind, version: versionOf(program.version) };
  }
  const { browser, os, platform } = Bowser.parse(userAgent);
  const name = oneOf(browsers, browser.name);
  const osVersion = versionOf(systemVersion(os.version, os.versionName));
  const [osMajorVersion = "", osMinorVersion = ""] = osVersion.split(".");
  return {
    browser: name,
    type: typeOf(userAgent, name),
    version: name === "" ? "" : versionOf(browser.version),
    hardwarePlatform: oneOf(platforms, platform.type),
    osFamily: oneOf(systems, os.name),
    osMajorVersion,
    osMinorVersion,
    osVersion,
  };
}

/** isbot takes every program for a bot; of an API, most clients are programs. */
function typeOf(userAgent: string, browser: string): UserAgentFacts["type"] {
  const isBot = userAgent.startsWith("Mozilla/") ? isbot(userAgent) : /bot\b|crawl|spider|slurp/i.test(userAgent);
  if (isBot) return "bot";
  return browser === "" ? "other" : "browser";
}

/** Windows says "NT 10.0" where people say 10. */
function systemVersion(version: string | undefined, versionName: string | undefined): string | undefined {
  if (version?.startsWith("NT ") !== true) return version;
  return versionName !== undefined && /^\d/.test(versionName) ? versionName : version.slice(3);
}

/** Up to four numbers: a client may write anything there. */
function versionOf(text: string | undefined): string {
  return /^\d{1,5}(?:\.\d{1,5}){0,3}/.exec(text ?? "")?.[0] ?? "";
}

function oneOf(names: ReadonlySet<string>, name: string | undefined): string {
  return name !== undefined && names.has(name) ? name : "";
}
