import { resolve } from "node:path";
import { parseEnv } from "node:util";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import type { ApiClient } from "../api/client.ts";
import { type App, appSchema } from "../api/types.ts";
import { uploadBundle } from "../api/upload-bundle.ts";
import { openBundleSource } from "../bundle-source.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { readGivenFile } from "../files/given-file.ts";
import { formatBytes, shortDigest } from "../output/format.ts";
import { inTenths, packProgress } from "../output/progress.ts";
import type { Output } from "../output/output.ts";
import { appPath } from "./app-path.ts";
import { followRollout, type WaitOptions } from "./follow-rollout.ts";
import {
  environmentOption,
  gatekeeperOption,
  nameValue,
  outputOption,
  timeoutOption,
  waitOption,
  wholeNumber,
} from "./options.ts";

interface SettingsOptions {
  readonly replicas?: number;
  readonly port?: number;
  readonly host?: readonly string[];
  readonly path?: string;
  readonly hosts: boolean;
  readonly set?: Readonly<Record<string, string>>;
  readonly secretsFile?: string;
  readonly maxSurge?: number;
  readonly readyTimeout?: number;
  readonly drainTimeout?: number;
  readonly gatekeeper?: string;
}

interface DeployOptions extends WaitOptions, SettingsOptions {
  readonly environment: string;
  readonly fabric?: string;
  readonly output?: "table" | "json";
}

function withSettings(command: Command): Command {
  return command
    .addOption(environmentOption())
    .option("--replicas <number>", "replicas, 0 to 100 (default: as it is, 1 for a new app)", wholeNumber(0, 100))
    .option(
      "--port <number>",
      "port in the fabric that serves the app, 0 lets the agent choose",
      wholeNumber(0, 65_535),
    )
    .option(
      "--host <name>",
      'host at which the fabric\'s shared ports serve the app, "*.example.com" too; may be repeated',
      all,
    )
    .option("--path <path>", "with --host: only this path and what is below it (default: /)")
    .option("--no-hosts", "serve it at no host any more")
    .option("--set <NAME=value>", "configuration property; may be repeated", nameValue)
    .option(
      "--secrets-file <file>",
      'file of NAME=value lines with secure properties, "-" for standard input; never on the command line',
    )
    .option("--max-surge <number>", "replicas started beyond the desired number in a roll-out", wholeNumber(1, 100))
    .option(
      "--ready-timeout <seconds>",
      "how long a new replica has to become ready (default: the manifest's readiness.timeoutSeconds)",
      wholeNumber(1, 3600),
    )
    .option("--drain-timeout <seconds>", "how long an old replica has to finish its requests", wholeNumber(1, 3600))
    .addOption(gatekeeperOption())
    .addOption(waitOption())
    .addOption(timeoutOption())
    .addOption(outputOption());
}

export function deployCommand(world: CommandWorld): Command {
  return withSettings(
    new Command("deploy")
      .description("deploy an app, or a new version of it")
      .argument("<source>", "directory with a drawbridge.yaml, or a bundle (.tgz)")
      .option("-f, --fabric <name>", "fabric to run it in; needed the first time"),
  )
    .addHelpText("after", "\nExample:\n  drawbridge app deploy examples/hello -f local --set GREETING=Hello --wait")
    .action((source: string, options: DeployOptions) => deploy(world, source, options));
}

export function updateCommand(world: CommandWorld): Command {
  return withSettings(
    new Command("update").description("change an app's settings; the bundle stays").argument("<app>", "name"),
  ).action((name: string, options: DeployOptions) => update(world, name, options));
}

async function deploy(world: CommandWorld, source: string, options: DeployOptions): Promise<void> {
  const output = outputOf(world, options);
  const secureProperties = await readSecrets(world, options);
  await using opened = await openBundleSource(world.workingDirectory, source, packProgress(output, source));
  const { bundle } = opened;
  await withApi(world, async (api) => {
    const uploaded = await uploadBundle(api, {
      file: bundle.file,
      digest: bundle.digest,
      sizeBytes: bundle.sizeBytes,
      onProgress: uploadProgress(output, bundle.sizeBytes),
      onRetry: (reason) => output.note(`the upload broke off, going on where it ended: ${reason}`),
      signal: world.signal,
    });
    output.progress(
      `bundle ${shortDigest(bundle.digest)}, ${formatBytes(bundle.sizeBytes)}, ${uploaded === "stored" ? "was stored already" : "is stored"}`,
    );
    output.progressDone();
    const body = {
      ...(options.fabric === undefined ? {} : { fabric: options.fabric }),
      bundleDigest: bundle.digest,
      ...settings(options, secureProperties),
    };
    await put(world, { api, output, name: bundle.manifest.name, body }, options);
  });
}

async function update(world: CommandWorld, name: string, options: DeployOptions): Promise<void> {
  const output = outputOf(world, options);
  const secureProperties = await readSecrets(world, options);
  const changes = settings(options, secureProperties);
  if (Object.keys(changes).length === 0) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "NOTHING_TO_UPDATE",
      message:
        'nothing to change was given; pass for example --set NAME=value or --replicas 3, or deploy a new bundle with "drawbridge app deploy"',
    });
  }
  await withApi(world, async (api) => {
    const current = await api.call(appPath(options.environment, name), appSchema);
    await put(world, { api, output, name, body: { bundleDigest: current.bundleDigest, ...changes } }, options);
  });
}

async function put(
  world: CommandWorld,
  request: { readonly api: ApiClient; readonly output: Output; readonly name: string; readonly body: object },
  options: DeployOptions,
): Promise<void> {
  const { api, output } = request;
  const asked = await api
    .call(appPath(options.environment, request.name), appSchema, { method: "PUT", body: request.body })
    .catch((error: unknown) => {
      throw withOptionsNamed(error);
    });
  const app = await followRollout({ world, api, output }, asked, options);
  output.fields(summary(app), app);
}

/** The server speaks of properties; here they are options. */
function withOptionsNamed(error: unknown): unknown {
  if (!isDrawbridgeError(error, "CONFIGURATION_INVALID") && !isDrawbridgeError(error, "CONFIGURATION_REQUIRED"))
    return error;
  const { kind, code, details } = error;
  const message = `${error.message} (plain properties with --set NAME=value, secret ones as NAME=value lines in a file with --secrets-file)`;
  return new DrawbridgeError({ kind, code, message, details, cause: error });
}

function summary(app: App): [string, string][] {
  return [
    ["App", `${app.name} in ${app.environment} on ${app.fabric}`],
    ["Version", `${app.version} (revision ${app.revision})`],
    ["Phase", app.status?.phase ?? "pending"],
    ["Address", app.status?.endpoints.join(", ") || "-"],
    ...hostsField(app),
  ];
}

/** Shown only where there are any. */
export function hostsField({ routes: served }: App): [string, string][] {
  return served.length === 0 ? [] : [["Hosts", served.map(({ host, path }) => `${host}${path}`).join(", ")]];
}

function settings(
  options: SettingsOptions,
  secureProperties: Readonly<Record<string, string>> | undefined,
): Record<string, unknown> {
  const strategy = {
    ...(options.maxSurge === undefined ? {} : { maxSurge: options.maxSurge }),
    ...(options.readyTimeout === undefined ? {} : { readyTimeoutSeconds: options.readyTimeout }),
    ...(options.drainTimeout === undefined ? {} : { drainTimeoutSeconds: options.drainTimeout }),
  };
  return {
    ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
    ...(options.port === undefined ? {} : { publicPort: options.port }),
    ...routes(options),
    ...(options.set === undefined ? {} : { properties: options.set }),
    ...(secureProperties === undefined ? {} : { secureProperties }),
    ...(options.gatekeeper === undefined
      ? {}
      : { gatekeeper: options.gatekeeper === "default" ? null : options.gatekeeper }),
    ...(Object.keys(strategy).length === 0 ? {} : { strategy }),
  };
}

/** What is given takes the place of all earlier hosts; nothing given keeps them. */
function routes({ host, path, hosts }: SettingsOptions): { readonly routes?: readonly object[] } {
  if (!hosts && host === undefined && path === undefined) return { routes: [] };
  if (host !== undefined && hosts) return { routes: host.map((name) => ({ host: name, path: path ?? "/" })) };
  if (path === undefined && hosts) return {};
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "COMMAND_LINE_INVALID",
    message: hosts
      ? "--path says which part of a host is the app's: give the host too, with --host <name>"
      : "--no-hosts takes all hosts away: leave out --host and --path",
  });
}

/** For an option that may be repeated. */
function all(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

async function readSecrets(
  world: CommandWorld,
  options: SettingsOptions,
): Promise<Readonly<Record<string, string>> | undefined> {
  if (options.secretsFile === undefined) return undefined;
  const text =
    options.secretsFile === "-"
      ? await world.readInput()
      : await readGivenFile(resolve(world.workingDirectory, options.secretsFile), "--secrets-file");
  return Object.fromEntries(
    Object.entries(parseEnv(text)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function uploadProgress(output: Output, totalBytes: number): (sentBytes: number) => void {
  const show = inTenths((percent) => output.progress(`uploading ${percent} % of ${formatBytes(totalBytes)}`));
  return (sentBytes) => show(sentBytes, totalBytes);
}
