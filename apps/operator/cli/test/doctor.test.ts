import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createContextFile } from "../src/context/context-file.ts";
import { runCli } from "../src/run-cli.ts";
import { startStandInApi } from "./support/stand-in-api.ts";

test("doctor warns of a service that is ready and works with less, and fails for one that is not ready", async () => {
  await using folder = await tempDir();
  await using api = await startStandInApi();
  const contextFile = createContextFile(join(folder.path, "config"));
  const { url, trustBundle } = api;
  await contextFile.write({ url, trustBundle, username: "ann", token: "dbt1.a.b", expiresAt: "2126-01-01T00:00:00Z" });

  async function services(answered: readonly object[]) {
    api.services = answered;
    let stdout = "";
    const exitCode = await runCli(
      {
        contextFile,
        clock: systemClock,
        stdout: { write: (text) => void (stdout += text) },
        stderr: { write: () => undefined },
        askSecret: async () => "",
        confirm: async () => "nobody",
        readInput: async () => "",
        workingDirectory: folder.path,
        signal: new AbortController().signal,
      },
      ["doctor", "-o", "json"],
      "test",
    );
    const rows = JSON.parse(stdout) as readonly { readonly check: string }[]; // our own output
    return { exitCode, row: rows.find(({ check }) => check === "services") };
  }

  const degraded = { service: "runtime-manager", ready: true, detail: "degraded" };
  expect(await services([degraded])).toEqual({
    exitCode: 0,
    row: {
      check: "services",
      verdict: "warning",
      detail: "runtime-manager is ready and works with less; its /readyz says what is missing",
    },
  });
  const missing = { service: "activation", ready: false, detail: "unreachable" };
  expect(await services([degraded, missing])).toMatchObject({
    exitCode: 1,
    row: {
      verdict: "failed",
      detail: expect.stringMatching(/^activation is not ready \(unreachable\); runtime/) as unknown,
    },
  });
  expect(await services([{ ...degraded, detail: null }])).toMatchObject({ exitCode: 0, row: { verdict: "ok" } });
});
