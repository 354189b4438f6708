import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { CommandWorld } from "../../src/command-context.ts";
import { createContextFile } from "../../src/context/context-file.ts";
import { runCli } from "../../src/run-cli.ts";
import { type StandInApi, startStandInApi } from "./stand-in-api.ts";

export interface CliAgainstStandIn {
  /** After beforeAll. */
  readonly api: () => StandInApi;
  readonly folder: () => string;
  /** What was asked last. */
  readonly asked: () => StandInApi["requests"][number] | undefined;
  readonly run: (
    args: readonly string[],
    parts?: Partial<CommandWorld>,
  ) => Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;
}

/** A stand-in and a folder for all tests of a file; what one scripts is forgotten before the next. */
export function cliAgainstStandIn(now: Date): CliAgainstStandIn {
  let opened: { readonly api: StandInApi; readonly folder: string } | undefined;
  const get = (): { readonly api: StandInApi; readonly folder: string } => {
    if (opened === undefined) throw new Error("beforeAll has not run");
    return opened;
  };
  beforeAll(async () => {
    opened = { api: await startStandInApi(), folder: await mkdtemp(join(tmpdir(), "drawbridge-cli-")) };
  });
  afterEach(() => get().api.scripted.clear());
  afterAll(async () => {
    await rm(get().folder, { recursive: true, force: true });
    await get().api[Symbol.asyncDispose]();
  });
  return {
    api: () => get().api,
    folder: () => get().folder,
    asked: () => get().api.requests.at(-1),
    run: async (args, parts = {}) => {
      const written = { stdout: "", stderr: "" };
      const { api, folder } = get();
      const contextFile = createContextFile(join(folder, "config"));
      const { url, trustBundle } = api;
      const login = { url, trustBundle, username: "admin", token: "dbt1.a.b", expiresAt: "2126-01-01T00:00:00Z" };
      await contextFile.write(login);
      const world: CommandWorld = {
        contextFile,
        clock: { ...systemClock, now: () => now },
        stdout: { write: (text) => void (written.stdout += text) },
        stderr: { write: (text) => void (written.stderr += text) },
        askSecret: () => Promise.resolve(""),
        confirm: () => Promise.resolve("nobody"),
        readInput: () => Promise.resolve(""),
        workingDirectory: folder,
        signal: new AbortController().signal,
        ...parts,
      };
      return { exitCode: await runCli(world, args, "test"), ...written };
    },
  };
}
