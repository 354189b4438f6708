import { readFile, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { inspectBundle, manifestFileName, parseManifest, writeBundleFile } from "@drawbridge/bundle";
import { DrawbridgeError } from "@drawbridge/errors";
import { Command } from "commander";
import { type CommandWorld, outputOf } from "../command-context.ts";
import { openGivenFile } from "../files/given-file.ts";
import { formatBytes } from "../output/format.ts";
import { packProgress } from "../output/progress.ts";
import { outputOption } from "./options.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

export function bundleCommand(world: CommandWorld): Command {
  const bundle = new Command("bundle").description("bundles: an app with its manifest, as one file");
  bundle
    .command("init")
    .description(`write a ${manifestFileName} into a directory, as a start`)
    .argument("[directory]", "the app's directory", ".")
    .option("--name <name>", "name of the app (default: the directory's name)")
    .option("--command <command...>", "command that starts it", ["node", "server.js"])
    .addOption(outputOption())
    .action((directory: string, options: OutputChoice & { name?: string; command: string[] }) =>
      init(world, directory, options),
    );
  bundle
    .command("build")
    .description("pack a directory; the same input gives the same digest")
    .argument("[directory]", "the app's directory", ".")
    .option("--out <file>", "file to write (default: <name>-<version>.tgz)")
    .addOption(outputOption())
    .action((directory: string, options: OutputChoice & { out?: string }) => build(world, directory, options));
  bundle
    .command("inspect")
    .description("show what is in a bundle and check that it is well-formed")
    .argument("<file>", "bundle (.tgz)")
    .addOption(outputOption())
    .action((file: string, options: OutputChoice) => inspect(world, file, options));
  return bundle;
}

async function init(
  world: CommandWorld,
  directory: string,
  options: OutputChoice & { readonly name?: string; readonly command: readonly string[] },
): Promise<void> {
  const path = resolve(world.workingDirectory, directory);
  const name =
    options.name ??
    basename(path)
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, "-")
      .replaceAll(/^-+|-+$/g, "");
  const file = join(path, manifestFileName);
  const text = [
    "# Describes the app to Drawbridge; the fields are explained in docs/bundle.md.",
    "apiVersion: drawbridge/v1",
    `name: ${name}`,
    "version: 0.1.0",
    "runtime:",
    `  command: ${JSON.stringify(options.command)}`,
    "ports:",
    "  - name: http",
    "    env: PORT",
    "readiness:",
    "  path: /",
    "",
  ].join("\n");
  try {
    await writeFile(file, text, { flag: "wx" });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: code === "EEXIST" ? "MANIFEST_EXISTS" : "FILE_UNWRITABLE",
      message:
        code === "EEXIST"
          ? `${file} exists already; it is left as it is`
          : `${file} cannot be written (${String(code)})`,
      cause: error,
    });
  }
  outputOf(world, options).done(`wrote ${file}; next: drawbridge bundle build ${directory}`, { file, name });
}

async function build(
  world: CommandWorld,
  directory: string,
  options: OutputChoice & { readonly out?: string },
): Promise<void> {
  const output = outputOf(world, options);
  const source = resolve(world.workingDirectory, directory);
  const onProgress = packProgress(output, directory);
  const manifest = parseManifest(await readManifestText(source), join(source, manifestFileName));
  const file = resolve(world.workingDirectory, options.out ?? `${manifest.name}-${manifest.version}.tgz`);
  const built = await writeBundleFile({ directory: source, file, onProgress });
  output.progressDone();
  const { name, version } = built.manifest;
  const { digest, sizeBytes, files } = built;
  output.fields(
    [
      ["Bundle", file],
      ["App", `${name} ${version}`],
      ["Digest", digest],
      ["Size", `${formatBytes(sizeBytes)}, ${files} file(s)`],
    ],
    { file, name, version, digest, sizeBytes, files },
  );
}

async function readManifestText(directory: string): Promise<string> {
  try {
    return await readFile(join(directory, manifestFileName), "utf8");
  } catch (error) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "BUNDLE_MANIFEST_MISSING",
      message: `${directory} has no ${manifestFileName}; "drawbridge bundle init ${directory}" writes one`,
      cause: error,
    });
  }
}

async function inspect(world: CommandWorld, file: string, options: OutputChoice): Promise<void> {
  const path = resolve(world.workingDirectory, file);
  const found = await inspectBundle(await openGivenFile(path));
  outputOf(world, options).fields(
    [
      ["Bundle", path],
      ["App", `${found.manifest.name} ${found.manifest.version}`],
      ["Digest", found.digest],
      ["Size", `${formatBytes(found.sizeBytes)}, ${found.entries.length} entries`],
      ["Command", (found.manifest.runtime.command ?? []).join(" ") || "-"],
    ],
    found,
  );
}
