import type { GatekeeperLevel } from "@drawbridge/app-routes";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { brokenPolicy, buildTree, signTree, stamp, type SignedTree, type TestApi } from "./support/api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { startLoad, type SteadyLoad } from "./support/steady-load.ts";
import { anApi, TestFabric, type TestApp } from "./support/test-app.ts";

/*
 * The transitions of anchors/gateway.md 5.3 on real processes, with requests all the time: to an API of each level, and to
 * one that nothing happens to.
 */
const fabricId = "0198c0de-0000-7000-8000-000000000001";
const levels = ["strict", "flexible", "disabled"] as const;
let ca: TestCa;
let signer: IdentitySnapshot;
let revision = 0;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

type Document = TestApi["document"];

/** The API of each level as given, and the other one as ever. */
function published(document: Document): Promise<SignedTree> {
  revision += 1;
  const apis = levels.map((level): TestApi => api(`at-${level}`, document));
  return signTree(buildTree([...apis, api("other", { revision: 1, policies: [stamp("other")] })]), {
    signer,
    fabricId,
    revision,
  });
}

function api(name: string, document: Document): TestApi {
  return { environment: "production", name, version: "1.0.0", ...(document && { document }) };
}

const good = (set: string): Document => ({ revision: revision + 1, policies: [stamp(set)] });
const broken = (): Document => ({ revision: revision + 1, policies: [stamp("broken"), brokenPolicy] });

interface Stage extends AsyncDisposable {
  readonly apps: ReadonlyMap<string, TestApp>;
  readonly loads: ReadonlyMap<string, SteadyLoad>;
  /** Deploy the apps of all levels anew. */
  deploy(key: string, besides?: string): Promise<void>;
}

async function setStage(fabric: TestFabric): Promise<Stage> {
  const apps = new Map<string, TestApp>();
  for (const name of [...levels, "other"]) apps.set(name, await fabric.addApp(name));
  const deployment = (key: string, level: GatekeeperLevel, name: string) => ({ key, level, apis: [anApi(name)] });
  const deploy = async (key: string, besides?: string): Promise<void> => {
    for (const level of levels) {
      const keys = besides === undefined ? [key] : [key, besides];
      await apps.get(level)?.deploy(...keys.map((each) => deployment(each, level, `at-${level}`)));
    }
  };
  await deploy("one");
  await apps.get("other")?.deploy(deployment("one", "strict", "other"));
  fabric.writeRoutes();
  const loads = new Map<string, SteadyLoad>();
  return {
    apps,
    loads,
    deploy,
    [Symbol.asyncDispose]: async () => {
      for (const load of loads.values()) await load.stop();
    },
  };
}

/** Wait for these states at strict, flexible and disabled. */
async function states(
  gateway: GatewayProcess,
  expected: readonly [string, string, string],
  deployment?: string,
): Promise<void> {
  await until(async () => {
    const { gates } = await gateway.view();
    return levels.every((level, index) =>
      gates.some(
        (gate) =>
          gate.api === `at-${level}` &&
          gate.state === expected[index] &&
          (deployment === undefined || gate.deployment === deployment),
      ),
    );
  });
}

/** One more request of every client, and what all since then were answered. */
async function answers(stage: Stage): Promise<readonly string[]> {
  for (const load of stage.loads.values()) await load.round();
  for (const load of stage.loads.values()) load.look();
  for (const load of stage.loads.values()) await load.round();
  return levels.map((level) => Object.keys(stage.loads.get(level)?.look() ?? {}).join());
}

function setsSeen(stage: Stage, level: string): readonly string[] {
  return [...new Set(stage.apps.get(level)?.arrived.map(({ set }) => set))];
}

test("through all transitions no request passes before its policies, and none of another API fails (GK 1, GK 3, GK 4, GK 5)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  await using stage = await setStage(fabric);
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  await using gateway = await startGateway({
    directory: fabric.directory,
    fabricId,
    env: { DRAWBRIDGE_CONNECT_DEADLINE_SECONDS: "60" },
  });
  await until(() => [...stage.apps.values()].every((app) => app.status()?.phase === "listening"));
  const loads = stage.loads as Map<string, SteadyLoad>; // of this file's making
  for (const level of levels) loads.set(level, startLoad(`${stage.apps.get(level)?.url}/at-${level}/1`));

  // Row 1: start. The agent is there, its tunnel is not.
  await states(gateway, ["offline", "offline", "open"]);
  expect(await answers(stage)).toEqual(["503", "503", "200"]);

  // Rows 4, 5: fetched, compiled by all workers, open.
  agent.announce(await published(good("a")));
  await states(gateway, ["live", "live", "live"]);
  expect(await answers(stage)).toEqual(["200", "200", "200"]);
  await until(async () => (await gateway.gate("other"))?.state === "live");
  loads.set("other", startLoad(`${stage.apps.get("other")?.url}/other/1`));

  // Row 13: a live edit.
  agent.announce(await published(good("b")));
  await until(() => levels.every((level) => setsSeen(stage, level).includes("b")));
  expect(await answers(stage)).toEqual(["200", "200", "200"]);

  // Row 14: one that cannot be applied.
  agent.announce(await published(broken()));
  await states(gateway, ["policy_error", "degraded", "degraded"]);
  expect(await answers(stage)).toEqual(["503", "200", "200"]);
  await until(() => agent.gates().get("at-strict")?.state === "policy_error");
  expect(agent.gates().get("at-strict")).toMatchObject({
    reason: "POLICY_INVALID",
    message: expect.stringContaining('Policy "of another world"'),
  });

  // Row 15: and the connection is lost.
  agent.linkDown();
  await until(async () => (await gateway.view()).link.state === "down");
  await states(gateway, ["policy_error", "degraded", "degraded"]);
  agent.linkUp();

  // Row 12: mended.
  agent.announce(await published(good("c")));
  await states(gateway, ["live", "live", "live"]);
  await until(() => levels.every((level) => setsSeen(stage, level).includes("c")));

  // Rows 11, 21, 10: the agent is killed, and comes back.
  await agent.kill();
  await states(gateway, ["stale", "stale", "stale"]);
  expect(await answers(stage)).toEqual(["200", "200", "200"]);
  await agent.start();
  await states(gateway, ["live", "live", "live"]);

  // Row 19: deleted, and made again.
  agent.announce(await published(undefined));
  await states(gateway, ["unresolved", "unresolved", "open"]);
  expect(await answers(stage)).toEqual(["503", "503", "200"]);
  agent.announce(await published(good("d")));
  await states(gateway, ["live", "live", "live"]);

  // Row 2: a redeployment, first beside the old one.
  await stage.deploy("two", "one");
  await states(gateway, ["live", "live", "live"], "two");
  expect(await answers(stage)).toEqual(["200", "200", "200"]);
  await stage.deploy("two");
  await until(async () =>
    (await gateway.view()).gates.every(({ deployment, app }) => app === "other" || deployment === "two"),
  );
  expect(await answers(stage)).toEqual(["200", "200", "200"]);

  // Row 2 without a connection: strict waits for it, flexible goes on with what it knows; the old deployment serves on.
  await agent.kill();
  await states(gateway, ["stale", "stale", "stale"]);
  await stage.deploy("three", "two");
  await states(gateway, ["offline", "cached", "cached"], "three");
  expect(await answers(stage)).toEqual(["200", "200", "200"]);
  await stage.deploy("three");
  await until(async () =>
    (await gateway.view()).gates.every(({ deployment, app }) => app === "other" || deployment === "three"),
  );
  expect(await answers(stage)).toEqual(["503", "200", "200"]);
  await agent.start();
  await states(gateway, ["live", "live", "live"], "three");
  expect(await answers(stage)).toEqual(["200", "200", "200"]);

  // What arrived: at strict and flexible only what policies have seen, and of no half-applied or broken set.
  for (const level of ["strict", "flexible"]) {
    expect(setsSeen(stage, level).toSorted()).toEqual(["a", "b", "c", "d"]);
  }
  expect(setsSeen(stage, "disabled")).not.toContain("broken");
  expect(loads.get("other")?.look()).toEqual({ 200: expect.any(Number) });
  expect(setsSeen(stage, "other")).toEqual(["other"]);
});
