import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { brokenPolicy, buildTree, signTree, stamp, type SignedTree, type TestApi } from "./support/api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./support/gateway-process.ts";
import { startScriptedAgent, type ScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric, type TestApp } from "./support/test-app.ts";

/* A restart of the gateway without agent, with the cache in every condition (GK 3, GK 5); then the agent comes back. */
const fabricId = "0198c0de-0000-7000-8000-000000000001";
const levels = ["strict", "flexible", "disabled"] as const;
let ca: TestCa;
let signer: IdentitySnapshot;
let revision = 0;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

type Policies = NonNullable<TestApi["document"]>["policies"];

function published(policies: Policies, by = signer): Promise<SignedTree> {
  revision += 1;
  const apis = [...levels, "spared"].map((level): TestApi => ({
    environment: "production",
    name: `at-${level}`,
    version: "1.0.0",
    document: { revision, policies: policies ?? [] },
  }));
  return signTree(buildTree(apis, 1), { signer: by, fabricId, revision });
}

interface Restarted {
  readonly directory: string;
  readonly cache: string;
  readonly tree: SignedTree;
}

interface Condition {
  readonly condition: string;
  /** What the control plane published, one after the other, before the restart. */
  readonly policies: readonly (readonly [Policies, state: readonly [string, string, string]])[];
  readonly spoil: (restarted: Restarted) => void;
  readonly states: readonly [strict: string, flexible: string, disabled: string];
  readonly answers: readonly [number, number, number];
  /** Sets that requests saw while the agent was away. */
  readonly seen: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const a: readonly [Policies, readonly [string, string, string]] = [[stamp("a")], ["live", "live", "live"]];
const broken: readonly [Policies, readonly [string, string, string]] = [
  [stamp("broken"), brokenPolicy],
  ["policy_error", "degraded", "degraded"],
];

const conditions: readonly Condition[] = [
  {
    condition: "present",
    policies: [a],
    spoil: () => undefined,
    states: ["offline", "cached", "cached"],
    answers: [503, 200, 200],
    seen: ["a"],
  },
  {
    condition: "absent",
    policies: [a],
    spoil: ({ cache }) => rmSync(cache, { recursive: true }),
    states: ["offline", "offline", "open"],
    answers: [503, 503, 200],
    seen: [""],
  },
  {
    condition: "corrupt in one byte of each document",
    policies: [a],
    spoil: ({ cache, tree }) => {
      for (const [key, digest] of tree.documents) if (!key.includes("spared")) flipByte(objectPath(cache, digest));
    },
    states: ["offline", "offline", "open"],
    answers: [503, 503, 200],
    seen: [""],
  },
  {
    condition: "with an index cut short",
    policies: [a],
    spoil: ({ cache }) => {
      const path = join(cache, "index");
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.subarray(0, bytes.length >> 1));
    },
    states: ["offline", "offline", "open"],
    answers: [503, 503, 200],
    seen: [""],
  },
  {
    condition: "with a part of the index changed",
    policies: [a],
    spoil: ({ cache }) => {
      for (const shard of readdirSync(join(cache, "shards"))) flipByte(join(cache, "shards", shard));
    },
    states: ["offline", "offline", "open"],
    answers: [503, 503, 200],
    seen: [""],
  },
  {
    condition: "tampered: a root that somebody else signed, under a valid checksum",
    policies: [a],
    spoil: ({ cache, tree }) => {
      const forged = tree.jws.replace(/\.[^.]*$/, `.${Buffer.alloc(64, 1).toString("base64url")}`);
      renameRoot(cache, forged);
    },
    states: ["offline", "offline", "open"],
    answers: [503, 503, 200],
    seen: [""],
  },
  {
    condition: "holding a set that cannot be applied",
    policies: [a, broken],
    spoil: () => undefined,
    states: ["offline", "policy_error", "degraded"],
    answers: [503, 503, 200],
    seen: ["a"],
  },
  {
    condition: "holding a set that cannot be applied, and none before",
    policies: [[[brokenPolicy], ["policy_error", "policy_error", "open"]]],
    spoil: () => undefined,
    states: ["offline", "policy_error", "open"],
    answers: [503, 503, 200],
    seen: [""],
  },
];

describe("a restart without agent, the cache", () => {
  test.for(conditions)("$condition: $states (GK 3, GK 5)", async ({ policies, spoil, states, answers, seen }) => {
    await using folder = await tempDir();
    await using fabric = new TestFabric(folder.path);
    const apps = await deployAll(fabric);
    await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
    const tree = await fillCache(fabric, agent, policies);
    spoil({ directory: fabric.directory, cache: join(fabric.directory, "cache"), tree });

    await using gateway = await startGateway({ directory: fabric.directory, fabricId });
    await reach(gateway, states);
    const before = apps.map(({ arrived }) => arrived.length);
    expect(await Promise.all(apps.map((app, index) => statusOf(app, `/at-${levels[index]}/1`)))).toEqual(answers);
    const arrived = apps.flatMap((app, index) => app.arrived.slice(before[index]).map(({ set }) => set));
    expect([...new Set(arrived)]).toEqual(seen);

    // Back again, nobody needs another restart (I8).
    await agent.start();
    agent.announce(await published([stamp("later")]));
    await reach(gateway, ["live", "live", "live"]);
    expect(await Promise.all(apps.map((app, index) => statusOf(app, `/at-${levels[index]}/1`)))).toEqual([
      200, 200, 200,
    ]);
  });
});

test("a document that is corrupt on the disk touches its own API only (GK 3)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const app = await fabric.addApp("both");
  await app.deploy({ key: "one", level: "flexible", apis: [anApi("at-flexible"), anApi("at-spared")] });
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  const tree = await published([stamp("a")]);
  await using first = await startGateway({ directory: fabric.directory, fabricId });
  agent.announce(tree);
  await until(async () => (await first.view()).gates.every(({ state }) => state === "live"));
  await first.stop();
  await agent.kill();
  flipByte(objectPath(join(fabric.directory, "cache"), tree.documents.get("production\nat-flexible\n1.0.0") ?? ""));
  await using second = await startGateway({ directory: fabric.directory, fabricId });
  await until(async () => (await second.gate("at-spared"))?.state === "cached");
  await until(async () => (await second.gate("at-flexible"))?.state === "offline");
  expect((await second.gate("at-flexible"))?.message).toContain("The cached policies are corrupt");
});

test("what is on the disk is not fetched again, and a cache beyond its greatest age is not used (GK 3)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  await deployAll(fabric);
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  await fillCache(fabric, agent, [a]);
  await agent.start();
  agent.linkUp();
  const asked = agent.asked.length;
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  await reach(gateway, ["live", "live", "live"]);
  expect(agent.asked.length).toBe(asked);
  await gateway.stop();
  await agent.kill();
  ageCache(join(fabric.directory, "cache"), new Date(Date.now() - 2 * 3_600_000));
  await using later = await startGateway({
    directory: fabric.directory,
    fabricId,
    env: { DRAWBRIDGE_CACHE_MAX_AGE_HOURS: "1" },
  });
  await reach(later, ["offline", "offline", "open"]);
  await later.stop();
  await using anyAge = await startGateway({ directory: fabric.directory, fabricId });
  await reach(anyAge, ["offline", "cached", "cached"]);
});

test("a disk that cannot be written is an alarm, and gates open all the same (GK 3)", async () => {
  await using folder = await tempDir();
  await using fabric = new TestFabric(folder.path);
  const apps = await deployAll(fabric);
  writeFileSync(join(fabric.directory, "cache"), "a file where the folder should be");
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  agent.announce(await published([stamp("a")]));
  await reach(gateway, ["live", "live", "live"]);
  await until(async () => (await gateway.view()).cache.startsWith("the cache cannot be written"));
  const ready = await gateway.admin("/readyz");
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ degraded: ["cache"] });
  expect(await statusOf(apps[0], "/at-strict/1")).toBe(200);
});

async function deployAll(fabric: TestFabric): Promise<readonly TestApp[]> {
  const apps: TestApp[] = [];
  for (const level of levels) {
    const app = await fabric.addApp(level);
    await app.deploy({ key: "one", level, apis: [anApi(`at-${level}`)] });
    apps.push(app);
  }
  fabric.writeRoutes();
  return apps;
}

/** Serve what is published, stop in order, and leave the agent dead. */
async function fillCache(
  fabric: TestFabric,
  agent: ScriptedAgent,
  policies: Condition["policies"],
): Promise<SignedTree> {
  await using gateway = await startGateway({ directory: fabric.directory, fabricId });
  let tree: SignedTree | undefined;
  for (const [published_, states] of policies) {
    tree = await published(published_);
    agent.announce(tree);
    await reach(gateway, states);
    // The one before is kept only if it was written before.
    await until(async () => (await gateway.view()).cache === "ok");
  }
  await gateway.stop();
  await agent.kill();
  if (tree === undefined) throw new Error("nothing was published");
  return tree;
}

async function reach(gateway: GatewayProcess, states: readonly [string, string, string]): Promise<void> {
  await until(async () => {
    const { gates } = await gateway.view();
    return levels.every((level, index) => gates.find(({ api }) => api === `at-${level}`)?.state === states[index]);
  });
}

async function statusOf(app: TestApp | undefined, path: string): Promise<number> {
  await until(() => app?.status()?.phase === "listening");
  const response = await fetch(`${app?.url}${path}`);
  await response.text();
  return response.status;
}

function objectPath(cache: string, digest: string): string {
  return join(cache, "objects", digest.slice(0, 2), digest);
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Change the index as somebody would who knows its form: the head and the shards that it names. */
function rewriteIndex(cache: string, change: (json: string) => string): void {
  const path = join(cache, "index");
  let head = readFileSync(path, "utf8").split("\n")[1] ?? "";
  for (const old of readdirSync(join(cache, "shards"))) {
    const json = change(readFileSync(join(cache, "shards", old), "utf8"));
    head = head.replaceAll(old, sha256(json));
    writeFileSync(join(cache, "shards", sha256(json)), json);
  }
  head = change(head);
  writeFileSync(path, `${sha256(head)}\n${head}\n`);
}

function renameRoot(cache: string, jws: string): void {
  for (const old of readdirSync(join(cache, "roots"))) rewriteIndex(cache, (json) => json.replaceAll(old, sha256(jws)));
  writeFileSync(join(cache, "roots", sha256(jws)), jws);
}

function ageCache(cache: string, at: Date): void {
  rewriteIndex(cache, (json) =>
    json.replaceAll(/"(confirmedAt|storedAt)":"[^"]+"/g, (_, field) => `"${String(field)}":"${at.toISOString()}"`),
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
