import { DrawbridgeError } from "@drawbridge/errors";

/** What an app is served at on the ports that the fabric's operator opened for all apps. */
export interface AppRoute {
  /** Lower case; "*.example.com" stands for one label in front. */
  readonly host: string;
  /** "/" or "/orders". */
  readonly path: string;
}

const maxRoutes = 50;
const maxHostCharacters = 253;
const maxPathCharacters = 500;
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Routes in their one form: hosts in lower case and without a final dot, in order, each once.
 * @throws DrawbridgeError `ROUTE_INVALID` (invalid_argument) that names the route and what is wrong with it
 */
export function assertRoutes(routes: readonly AppRoute[]): readonly AppRoute[] {
  if (routes.length > maxRoutes) throw invalid(`an app has at most ${maxRoutes} hosts and paths, not ${routes.length}`);
  const byText = new Map<string, AppRoute>();
  for (const route of routes) {
    const host = assertHost(route.host);
    const path = assertPath(route.path === "" ? "/" : route.path);
    byText.set(routeText({ host, path }), { host, path });
  }
  return [...byText].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, route]) => route);
}

export function routeText({ host, path }: AppRoute): string {
  return `${host}${path}`;
}

/** RFC 1123 2.1 in lower case, and RFC 9525 6.3 for the asterisk. */
function assertHost(given: string): string {
  const host = given.toLowerCase().replace(/\.$/, "");
  const wrong = (why: string): DrawbridgeError => invalid(`${JSON.stringify(given.slice(0, 260))} is no host: ${why}`);
  if (host === "") throw wrong("it is empty");
  if (/[:/@\s]/.test(host)) throw wrong("write the name alone, without scheme, port or path");
  if (/[^\x20-\x7e]/.test(host)) throw wrong("write an international name in its ASCII form (xn--...)");
  if (host.length > maxHostCharacters) throw wrong(`it has more than ${maxHostCharacters} characters`);
  const [first = "", ...others] = host.split(".");
  if (host.includes("*") && (first !== "*" || others.length === 0 || others.join(".").includes("*"))) {
    throw wrong("an asterisk stands for the whole of the first label, and a name follows it, as in *.example.com");
  }
  const labels = first === "*" ? others : [first, ...others];
  if (!labels.every((each) => label.test(each))) {
    throw wrong("its labels must be 1 to 63 letters, digits and hyphens, and neither begin nor end with a hyphen");
  }
  if (/^\d+$/.test(labels.at(-1) ?? "")) throw wrong("it must be a name, not an address");
  return host;
}

/** The form that the gateway judges and sends upstream, of characters that no client escapes (RFC 3986 2.3). */
function assertPath(path: string): string {
  const wrong = (why: string): DrawbridgeError => invalid(`${JSON.stringify(path.slice(0, 520))} is no path: ${why}`);
  if (!path.startsWith("/")) throw wrong('it must begin with "/"');
  if (path === "/") return path;
  if (path.length > maxPathCharacters) throw wrong(`it has more than ${maxPathCharacters} characters`);
  if (path.endsWith("/")) throw wrong('write it without the "/" at its end: what is below belongs to it anyway');
  const segments = path.slice(1).split("/");
  if (segments.includes("")) throw wrong('it has "//"; it must be normalised');
  if (segments.some((segment) => segment === "." || segment === "..")) {
    throw wrong('it has a segment "." or ".."; it must be normalised');
  }
  if (!segments.every((segment) => /^[A-Za-z0-9._~-]+$/.test(segment))) {
    throw wrong("its segments must be letters, digits, - . _ and ~");
  }
  return path;
}

function invalid(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "ROUTE_INVALID", message });
}
