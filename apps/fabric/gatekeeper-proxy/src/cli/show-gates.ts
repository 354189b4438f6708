import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fetch } from "undici";
import { adminFile, type GatewayView } from "../admin/admin-server.ts";

const usage = `usage: node src/main.ts gates [<app>] [--state-dir <folder>] [--json]

Shows the gates of the gateway that runs on this machine, without agent and control plane.
<folder> is the gateway's DRAWBRIDGE_STATE_DIR; the default is that variable.
`;

/** Exit codes: 0 shown, 1 the gateway does not answer or has no such app, 2 called wrongly, 3 shown, and a gate is closed. */
export async function showGates(
  parameters: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(parameters);
  } catch {
    process.stderr.write(usage);
    return 2;
  }
  const { values, positionals } = parsed;
  const directory = values["state-dir"] ?? env["DRAWBRIDGE_STATE_DIR"];
  const [app] = positionals;
  if (directory === undefined || positionals.length > 1) {
    process.stderr.write(usage);
    return 2;
  }
  const address = await readAddress(directory);
  if (address === undefined) {
    process.stderr.write(`error: no gateway runs with the folder ${directory}: it has no ${adminFile}\n`);
    return 1;
  }
  try {
    const path = app === undefined ? "" : `/${encodeURIComponent(app)}`;
    const response = await fetch(`http://${address}/gatekeeper${path}`, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) {
      process.stderr.write(`error: ${await detailOf(response)}\n`);
      return 1;
    }
    const view = (await response.json()) as GatewayView; // from the process that this program also is
    process.stdout.write(values.json === true ? `${JSON.stringify(view, undefined, 2)}\n` : describe(view));
    return view.gates.every(({ isServing }) => isServing) ? 0 : 3;
  } catch {
    process.stderr.write(`error: the gateway does not answer at ${address}\n`);
    return 1;
  }
}

function parse(parameters: readonly string[]) {
  return parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: { json: { type: "boolean" }, "state-dir": { type: "string" } },
  });
}

async function readAddress(directory: string): Promise<string | undefined> {
  try {
    const said: unknown = JSON.parse(await readFile(join(directory, adminFile), "utf8"));
    if (typeof said !== "object" || said === null || !("host" in said) || !("port" in said)) return undefined;
    const host = String(said.host);
    return `${host.includes(":") ? `[${host}]` : host}:${String(said.port)}`;
  } catch {
    return undefined;
  }
}

async function detailOf(response: Pick<Response, "status" | "text">): Promise<string> {
  const text = await response.text();
  const problem: unknown = text.startsWith("{") ? JSON.parse(text) : undefined;
  const isProblem = typeof problem === "object" && problem !== null && "detail" in problem;
  return isProblem ? String(problem.detail) : `the gateway answered ${response.status}`;
}

function describe(view: GatewayView): string {
  const { link, configuration, gates } = view;
  const lines = [
    `gateway        ${view.gatewayId}, ${view.workers} workers`,
    `control plane  ${link.state} since ${link.since}${link.reason === "" ? "" : ` (${link.reason})`}`,
    `configuration  ${
      configuration === undefined
        ? "none received since the start"
        : `revision ${configuration.revision}, signed ${configuration.issuedAt}${configuration.isConfirmed ? "" : ", not confirmed"}`
    }`,
    `cache          ${view.cache}`,
    "",
  ];
  for (const gate of gates) {
    lines.push(`${gate.app} (${gate.environment})  ${gate.api} ${gate.version} at ${gate.basePath}`);
    lines.push(`  ${gate.isServing ? "serving" : "BLOCKED"}: ${gate.state} since ${gate.since}`);
    lines.push(`  level ${gate.level} (${gate.levelSource}), deployment ${gate.deployment}`);
    lines.push(
      `  revision ${gate.appliedRevision} enforced, ${gate.desiredRevision} wanted; ${gate.policies} policies, ${gate.contracts} contracts`,
    );
    if (gate.reason !== "") lines.push(`  ${gate.reason}: ${gate.message}`);
    lines.push("");
  }
  if (gates.length === 0) lines.push("No app here has an API in its manifest.", "");
  return lines.join("\n");
}
