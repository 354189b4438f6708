import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { runAgentCommand } from "./support/run-command.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

interface StatusJson {
  readonly certificates: readonly {
    readonly purpose: string;
    readonly serialNumber: string;
    readonly notAfter: string;
    readonly renewAt: string;
    readonly lastFailure: string;
  }[];
}

test("renew --now renews both certificates, and status shows them (REN 1)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const before = await fabric.serials();
  const agent = await fabric.startAgent();
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  const stateDir = ["--state-dir", fabric.layout.root];
  const renewed = await runAgentCommand(["renew", "--now", ...stateDir]);
  const after = await fabric.serials();
  expect(renewed).toMatchObject({ exitCode: 0, out: expect.stringContaining(after.tunnel) });
  expect([after.tunnel, after.monitoring]).not.toEqual([before.tunnel, before.monitoring]);

  const { certificates } = JSON.parse((await runAgentCommand(["status", "-o", "json", ...stateDir])).out) as StatusJson;
  expect(certificates.map(({ purpose, serialNumber, lastFailure }) => [purpose, serialNumber, lastFailure])).toEqual([
    ["tunnel", after.tunnel, ""],
    ["monitoring", after.monitoring, ""],
  ]);
  for (const { renewAt, notAfter } of certificates) {
    expect(new Date(renewAt).getTime()).toBeGreaterThan(Date.now());
    expect(new Date(renewAt).getTime()).toBeLessThan(new Date(notAfter).getTime());
  }
  const { out } = await runAgentCommand(["status", ...stateDir]);
  expect(out).toMatch(new RegExp(`Certificate tunnel +until .* serial ${after.tunnel}, renewal `));
  expect(out).toMatch(new RegExp(`Certificate monitoring +until .* serial ${after.monitoring}, renewal `));
});

test("renew --now says why nothing was renewed, and what stays (R6)", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  manager.renewals.errors = Array.from({ length: 100 }, () => "RENEWAL_OVERLOADED");
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] });
  const stateDir = ["--state-dir", fabric.layout.root];
  expect(await runAgentCommand(["renew", "--now", ...stateDir])).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("AGENT_NOT_RUNNING"),
  });
  expect((await runAgentCommand(["renew", ...stateDir])).exitCode).toBe(2);
  const agent = await fabric.startAgent();
  await agent.status(({ tunnel }) => tunnel.status === "connected");
  const failed = await runAgentCommand(["renew", "--now", "--timeout-seconds", "3", ...stateDir]);
  expect(failed).toMatchObject({ exitCode: 5, err: expect.stringContaining("tunnel: RENEWAL_OVERLOADED") });
  expect((await runAgentCommand(["status", ...stateDir])).out).toContain("last attempt failed: RENEWAL_OVERLOADED");
});
