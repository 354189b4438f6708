import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { aSpec, startScriptedRuntimeManager } from "./support/scripted-runtime-manager.ts";
import { startScriptedResolver } from "./support/scripted-resolver.ts";
import { runAgentCommand } from "./support/run-command.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

let ca: TestCa;

beforeAll(async () => {
  ca = await createTestCa();
});

test("run waits while it is not activated and goes on as soon as it is; status and a second run see it", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using fabric = await openFabric(ca);
  const { root } = fabric.layout;
  let pid = 0;
  const running = runAgentCommand(["run"], {
    env: { DRAWBRIDGE_STATE_DIR: root, DRAWBRIDGE_OPS_LISTEN: "127.0.0.1:0" },
    onPid: (started) => {
      pid = started;
    },
  });
  try {
    let before = await runAgentCommand(["status", "--state-dir", root, "-o", "json"]);
    while (!before.out.includes('"state": "running"'))
      before = await runAgentCommand(["status", "--state-dir", root, "-o", "json"]);
    expect(before.exitCode).toBe(3);
    const second = await runAgentCommand(["run"], {
      env: { DRAWBRIDGE_STATE_DIR: root, DRAWBRIDGE_OPS_LISTEN: "127.0.0.1:0" },
    });
    expect(second).toMatchObject({
      exitCode: 1,
      out: "",
      err: expect.stringMatching(/^error: .*STATE_FOLDER_IN_USE\]\n$/),
    });
    expect(await runAgentCommand(["stop-apps", "--state-dir", root])).toMatchObject({ exitCode: 1 });

    await fabric.activate({ tunnel: [manager.address] });
    await manager.desire({ generation: 1n, apps: [aSpec({ appId: fabricId, name: "shop" })] });
    await manager.session(0);
    let after = await runAgentCommand(["status", "--state-dir", root]);
    while (!after.out.includes("shop")) after = await runAgentCommand(["status", "--state-dir", root]);
    expect(after).toMatchObject({ exitCode: 0, out: expect.stringContaining(`connected to ${manager.address}`) });
    expect(after.out).toContain("desired 1, observed 1");
  } finally {
    process.kill(pid, "SIGTERM");
  }
  const result = await running;
  expect(result.exitCode).toBe(0);
  expect(result.out).toContain("not activated, waiting");
  expect((await runAgentCommand(["stop-apps", "--state-dir", root])).exitCode).toBe(0);
  expect((await runAgentCommand(["egress", "--state-dir", root])).out).toContain("tunnel.hello");
});

test("doctor finds everything fine on a healthy fabric", async () => {
  await using manager = await startScriptedRuntimeManager({ ca, fabricId });
  await using resolver = await startScriptedResolver(ca);
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address], configResolver: resolver.url });
  const result = await runAgentCommand(["doctor", "--state-dir", fabric.layout.root, "-o", "json"]);
  const { findings } = JSON.parse(result.out) as {
    readonly findings: readonly { readonly name: string; readonly status: string }[];
  };
  expect(findings.filter(({ status }) => status !== "ok").map(({ name }) => name)).toEqual([
    "cgroup",
    "proxy",
    "control plane's answer",
    "access to analytics-ingest",
    "monitoring-ingest",
  ]);
  expect(findings.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["TLS tunnel", "TLS config-resolver", "clock", "disk space"]),
  );
  expect(result.exitCode).toBe(0);

  const egress = await runAgentCommand(["egress", "--state-dir", fabric.layout.root]);
  const resolverAddress = new URL(resolver.url).host;
  for (const [peer, kind] of [
    [`runtime-manager ${manager.address}`, "doctor.tcp-connect"],
    [`runtime-manager ${manager.address}`, "doctor.tls-handshake"],
    [`config-resolver ${resolverAddress}`, "doctor.tcp-connect"],
    [`config-resolver ${resolverAddress}`, "doctor.tls-handshake"],
    [`config-resolver ${resolverAddress}`, "doctor.get-time"],
  ])
    expect(
      egress.out.split("\n").some((line) => line.includes(`${peer} `) && line.includes(`${kind} `)),
      `${peer} ${kind}`,
    ).toBe(true);
});

test("doctor names what is wrong and how to fix it, and exits with 1", async () => {
  await using foreign = await startScriptedRuntimeManager({ ca: await createTestCa(), fabricId });
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [foreign.address], configResolver: "https://no-such-host.invalid:7430" });
  await chmod(fabric.layout.root, 0o755);
  const { out, exitCode } = await runAgentCommand(["doctor", "--state-dir", fabric.layout.root]);
  expect(exitCode).toBe(1);
  expect(out).toContain("open to other users");
  expect(out).toContain("does not lead to a root that this fabric trusts");
  expect(out).toContain("no-such-host.invalid cannot be resolved");
  expect(out.match(/fix: /g)).toHaveLength(3);
});

test("doctor names the clock when it is wrong", async () => {
  const early = await createTestCa({ now: new Date(Date.now() + 3 * 3_600_000 + 300_000) });
  await using fabric = await openFabric(early);
  await fabric.activate({ tunnel: ["127.0.0.1:9"] });
  const { out, exitCode } = await runAgentCommand(["doctor", "--state-dir", fabric.layout.root]);
  expect(exitCode).toBe(1);
  expect(out).toMatch(/your clock is at least (3 h|2 h 59 min) behind/);
});

test("a mistake in a setting is told by name, with exit code 2", async () => {
  const result = await runAgentCommand(["status"], { env: { DRAWBRIDGE_ALOW_LOGS: "true" } });
  expect(result).toMatchObject({ exitCode: 2, err: expect.stringContaining("DRAWBRIDGE_ALOW_LOGS") });
  expect((await runAgentCommand(["activate", "--timeout-seconds", "x"])).exitCode).toBe(2);
  expect((await runAgentCommand([])).exitCode).toBe(2);
});

test.for(["status", "doctor", "activate", "run"])(
  "%s works in a shell that has the settings of the command line exported",
  async (verb) => {
    await using fabric = await openFabric(ca);
    const result = await runAgentCommand([verb, "--state-dir", fabric.layout.root], {
      // `run` would run for ever: its own mistake ends it, and is the only one that is told.
      env: {
        DRAWBRIDGE_CONFIG_DIR: "/nowhere",
        DRAWBRIDGE_ENVIRONMENT: "test",
        ...(verb === "run" && { DRAWBRIDGE_ALLOW_LOGS: "x" }),
      },
    });
    expect(result.err).not.toContain("no such setting");
    expect(result.out).not.toContain("no such setting");
  },
);

test("status reads nothing but this machine: it works while everything is away", async () => {
  await using fabric = await openFabric(ca);
  await fabric.activate({ tunnel: ["127.0.0.1:9"] });
  await mkdir(fabric.layout.egress, { recursive: true });
  await writeFile(`${fabric.layout.egress}/2026-01-01.run.json`, "damaged");
  const result = await runAgentCommand(["status", "--state-dir", fabric.layout.root]);
  expect(result).toMatchObject({ exitCode: 0, out: expect.stringContaining("not running; apps go on without it") });
});
