// node test/measure/open-gates.ts [<apis> [<contracts> [<workers> [<apps>]]]]
// Time until all gates of a gateway are open after its configuration is complete, from an edit to its report, and what the
// process holds then.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createTestCa } from "@drawbridge/testkit";
import { apiKey, indexPageOf } from "../../src/configuration/api-key.ts";
import { aContract, aPolicy, buildTree, signTree, type TestApi, type TestTree } from "../support/api-tree.ts";
import { startGateway, until } from "../support/gateway-process.ts";
import { startScriptedAgent } from "../support/scripted-agent.ts";
import { anApi, TestFabric } from "../support/test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000001";
const { positionals } = parseArgs({ allowPositionals: true });
const [apis = 1_000, contracts = 0, workers = 2, apps = Math.ceil(apis / 100)] = positionals.map(Number);
const edits = 100;
/** Edits come at any moment of what else goes on behind them. */
const longestPauseMs = 400;

const policies = [
  aPolicy("who", "client-id-enforcement", {}),
  aPolicy("how often", "rate-limiting", { limits: [{ requests: 1_000, periodMs: 60_000 }] }),
];

function api(index: number, revision: number, policiesOf = policies): TestApi {
  const share = Math.floor(contracts / apis);
  const own = Array.from({ length: share }, (_, at) => aContract(`client-${index}-${at}`, `secret-${index}-${at}`));
  return {
    environment: "production",
    name: `api-${index}`,
    version: "1.0.0",
    document: { revision, policies: policiesOf, contracts: own },
  };
}

/** The whole tree made anew would take this program longer than the edit takes the gateway. */
function editTree(tree: TestTree, list: readonly TestApi[], edited: TestApi): TestTree {
  const pageCount = tree.indexPages.length;
  const pageOf = (one: TestApi): number => indexPageOf(apiKey(one), pageCount);
  const at = pageOf(edited);
  const part = buildTree(
    list.filter((one) => pageOf(one) === at),
    pageCount,
  );
  return {
    indexPages: tree.indexPages.with(at, part.indexPages[at] ?? ""),
    objects: new Map([...tree.objects, ...part.objects]),
    documents: new Map([...tree.documents, ...part.documents]),
  };
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

const folder = await mkdtemp(join(tmpdir(), "drawbridge-measure-"));
{
  const ca = await createTestCa();
  const signer = await ca.issueService("api-manager");
  await using fabric = new TestFabric(folder);
  const all = Array.from({ length: apis }, (_, index) => index);
  for (let at = 0; at < apps; at += 1) {
    const app = await fabric.addApp(`app-${at}`);
    const own = all.filter((index) => index % apps === at);
    await app.deploy({ key: "one", level: "strict", apis: own.map((index) => anApi(`api-${index}`)) });
  }
  fabric.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: fabric.feedSocket, trustBundle: ca.trustBundle });
  const env: Record<string, string> = {
    ...(process.env["MEASURE_NODE_OPTIONS"] !== undefined && { NODE_OPTIONS: process.env["MEASURE_NODE_OPTIONS"] }),
    DRAWBRIDGE_WORKERS: String(workers),
    DRAWBRIDGE_CONNECT_DEADLINE_SECONDS: "60",
  };
  await using gateway = await startGateway({ directory: fabric.directory, fabricId, env });
  await until(async () => (await gateway.view()).gates.length === apis);
  const idleMib = await residentMib(gateway.pid);

  const isLive = (name?: string): boolean => {
    const gates = agent.gates();
    return name === undefined
      ? gates.values().reduce((count, { state }) => count + (state === "live" ? 1 : 0), 0) === apis
      : gates.get(name)?.state === "live";
  };
  const sign = (revision: number, unsigned: TestTree) => signTree(unsigned, { signer, fabricId, revision });
  const list = all.map((index) => api(index, 1));
  let tree = buildTree(list);
  const first = await sign(1, tree);
  const announcedMs = performance.now();
  agent.announce(first);
  await until(() => isLive());
  const openedMs = performance.now() - announcedMs;
  /** Asked seldom, and for one app of all: the answer costs the gateway time, too. */
  async function untilCached(): Promise<void> {
    while (!(await (await gateway.admin("/gatekeeper/app-0")).text()).includes('"cache":"ok"')) await setTimeout(200);
  }
  await untilCached();
  const cachedMs = performance.now() - announcedMs;
  const openMib = await residentMib(gateway.pid);

  // One API of all is edited: from the root at the agent's stream to the report that it is enforced.
  const editsMs: number[] = [];
  for (let revision = 2; revision < 2 + edits; revision += 1) {
    const index = (revision * 7_919) % apis;
    list[index] = api(index, revision);
    tree = editTree(tree, list, list[index]);
    const next = await sign(revision, tree);
    const seen = agent.reports.length;
    const isEnforced = (): boolean =>
      agent.reports
        .slice(seen)
        .some(({ apps: reported }) =>
          reported.some(({ gates }) =>
            gates.some(
              ({ apiName, appliedRevision }) => apiName === `api-${index}` && appliedRevision === BigInt(revision),
            ),
          ),
        );
    const editedMs = performance.now();
    agent.announce(next);
    while (!isEnforced()) await setTimeout(5);
    editsMs.push(performance.now() - editedMs);
    await setTimeout(Math.random() * longestPauseMs);
  }
  const sorted = editsMs.toSorted((a, b) => a - b);
  const percentile = (share: number): number => Math.round(sorted[Math.ceil(edits * share) - 1] ?? 0);
  await untilCached();
  const editedMib = await residentMib(gateway.pid);

  // Started again with everything on the disk and compiled, but no connection: strict gates hold it. Then it is confirmed.
  await gateway.stop();
  agent.linkDown();
  await using again = await startGateway({ directory: fabric.directory, fabricId, env });
  await until(
    () =>
      agent.gates().size === apis &&
      agent
        .gates()
        .values()
        .every(({ state }) => state === "offline"),
  );
  await until(async () => (await again.view()).workers === workers);
  await setTimeout(8_000); // nothing says that a strict gate holds a compiled set
  const confirmedMs = performance.now();
  agent.linkUp();
  await until(() => isLive());
  const flippedMs = performance.now() - confirmedMs;
  process.stdout.write(
    `${JSON.stringify(
      {
        apis,
        contracts,
        workers,
        apps,
        residentMib: {
          beforeConfiguration: idleMib,
          open: openMib,
          edited: editedMib,
          restarted: await residentMib(again.pid),
        },
        announcedToReportedOpenMs: Math.round(openedMs),
        announcedToCachedMs: Math.round(cachedMs),
        confirmedToReportedOpenMs: Math.round(flippedMs),
        editToReportedEnforcedMs: {
          p50: percentile(0.5),
          p95: percentile(0.95),
          p99: percentile(0.99),
          max: percentile(1),
        },
      },
      undefined,
      2,
    )}\n`,
  );
}
await rm(folder, { recursive: true, force: true });
