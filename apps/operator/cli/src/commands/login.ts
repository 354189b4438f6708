import { resolve } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseTrustBundleJson, pinnedTlsOptions } from "@drawbridge/pki";
import { Command } from "commander";
import { createApiClient, createClientOver, createTlsAgent, managementApiPath } from "../api/client.ts";
import { sessionSchema, whoamiSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { readGivenFile } from "../files/given-file.ts";
import { readSecret } from "../files/read-secret.ts";
import { formatTime } from "../output/format.ts";
import { outputOption } from "./options.ts";

interface LoginOptions {
  readonly trustBundle?: string;
  readonly fingerprint?: string;
  readonly username: string;
  readonly passwordFile?: string;
  readonly output?: "table" | "json";
}

export function loginCommand(world: CommandWorld): Command {
  return new Command("login")
    .description("log in to a control plane and remember it")
    .argument("<url>", "address of management-api, for example https://127.0.0.1:7400")
    .option("--trust-bundle <file>", "the control plane's trust-bundle.json")
    .option(
      "--fingerprint <sha256:hex>",
      "SHA-256 of the public key (SPKI) of the control plane's root CA, instead of --trust-bundle",
    )
    .option("-u, --username <name>", "user name", "admin")
    .option("--password-file <file>", 'file that holds the password, "-" for standard input; asked for if not given')
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExample:\n  drawbridge login https://127.0.0.1:7400 --trust-bundle trust-bundle.json -u admin",
    )
    .action((url: string, options: LoginOptions) => login(world, url, options));
}

async function login(world: CommandWorld, url: string, options: LoginOptions): Promise<void> {
  const baseUrl = checkedUrl(url);
  const trustBundle = await trustBundleFor(world, baseUrl, options);
  const password = await passwordFor(world, options);
  const api = createApiClient({ url: baseUrl, trustBundle });
  try {
    const session = await api.call("/v1/sessions", sessionSchema, {
      method: "POST",
      body: { username: options.username, password },
    });
    await world.contextFile.write({
      url: baseUrl,
      username: session.username,
      token: session.token,
      expiresAt: session.expiresAt,
      trustBundle,
    });
    outputOf(world, options).fields(
      [
        ["Logged in", `${session.username} at ${baseUrl}`],
        ["Until", formatTime(session.expiresAt)],
        ["Kept in", world.contextFile.path],
      ],
      { url: baseUrl, username: session.username, expiresAt: session.expiresAt },
    );
  } finally {
    await api.close();
  }
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:") return url.origin;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "URL_INVALID",
    message: `"${text}" is not an https URL; give for example https://127.0.0.1:7400`,
  });
}

async function trustBundleFor(world: CommandWorld, baseUrl: string, options: LoginOptions): Promise<string> {
  if (options.trustBundle !== undefined) {
    const path = resolve(world.workingDirectory, options.trustBundle);
    const text = await readGivenFile(path, "--trust-bundle");
    parseTrustBundleJson(text);
    return text;
  }
  if (options.fingerprint !== undefined) return fetchPinned(world, baseUrl, options.fingerprint);
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "TRUST_NOT_GIVEN",
    message:
      "whom to trust is not given: pass --trust-bundle with the control plane's trust-bundle.json (its operator has it), or --fingerprint with the SHA-256 of its root CA's public key",
  });
}

async function fetchPinned(world: CommandWorld, baseUrl: string, fingerprint: string): Promise<string> {
  const hex = /^(?:sha256:)?([0-9a-fA-F]{64})$/.exec(fingerprint)?.[1];
  if (hex === undefined) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "FINGERPRINT_INVALID",
      message: `"${fingerprint}" is not a fingerprint; it has the form sha256:<64 hexadecimal digits>`,
    });
  }
  const { hostname, port } = new URL(baseUrl);
  const pinned = await pinnedTlsOptions(
    {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || 443),
      pins: [Buffer.from(hex, "hex").toString("base64url")],
      expectedServer: managementApiPath,
      alpnProtocols: ["http/1.1"],
    },
    world.signal,
  );
  const api = createClientOver(baseUrl, createTlsAgent(pinned.tlsOptions));
  try {
    const response = await api.open("/v1/trust-bundle", {});
    const text = await response.body.text();
    parseTrustBundleJson(text);
    return text;
  } finally {
    await api.close();
  }
}

function passwordFor(world: CommandWorld, options: LoginOptions): Promise<string> {
  return options.passwordFile === undefined
    ? world.askSecret(`Password of ${options.username}`)
    : readSecret(world, options.passwordFile, "--password-file");
}

export function logoutCommand(world: CommandWorld): Command {
  return new Command("logout")
    .description("end the login of this machine")
    .addOption(outputOption())
    .action(async (options: OutputOptions) => {
      try {
        await withApi(world, (api) => api.send("/v1/sessions/current", { method: "DELETE" }));
      } finally {
        await world.contextFile.remove();
      }
      outputOf(world, options).done("logged out", { loggedOut: true });
    });
}

export function whoamiCommand(world: CommandWorld): Command {
  return new Command("whoami")
    .description("show the login of this machine and what it may do")
    .addOption(outputOption())
    .action(async (options: { output?: "table" | "json" }) => {
      const who = await withApi(world, (api) => api.call("/v1/whoami", whoamiSchema));
      outputOf(world, options).fields(
        [
          ["User", who.username],
          [
            "Roles",
            who.bindings
              .map(({ role, environment }) => `${role} in ${environment === "*" ? "all environments" : environment}`)
              .join(", ") || "none",
          ],
        ],
        who,
      );
    });
}
