// node test/measure/open-gates.ts [<apis> [<contracts> [<workers>]]]
// Time until all gates of a gateway are open after its configuration is complete, and what the process holds then.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createTestCa } from "@drawbridge/testkit";
import { aContract, aPolicy, buildTree, signTree, type TestApi } from "../support/api-tree.ts";
import { startGateway, until } from "../support/gateway-process.ts";
import { startScriptedAgent } from "../support/scripted-agent.ts";
import { anApi, TestFabric } from "../support/test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000001";
const { positionals } = parseArgs({ allowPositionals: true });
const [apis = 1_000, contracts = 0, workers = 2] = positionals.map(Number);

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

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

const folder = await mkdtemp(join(tmpdir(), "drawbridge-measure-"));
{
  const ca = await createTestCa();
  const signer = await ca.issueService("api-manager");
  await using fabric = new TestFabric(folder);
  const app = await fabric.addApp("all");
  const all = Array.from({ length: apis }, (_, index) => index);
  await app.deploy({ key: "one", level: "strict", apis: all.map((index) => anApi(`api-${index}`)) });
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
  const sign = (revision: number, list: readonly TestApi[]) =>
    signTree(buildTree(list), { signer, fabricId, revision });
  const list = all.map((index) => api(index, 1));
  const first = await sign(1, list);
  const announcedMs = performance.now();
  agent.announce(first);
  await until(() => isLive());
  const openedMs = performance.now() - announcedMs;
  const openMib = await residentMib(gateway.pid);

  // One API of all is edited: from the root at the agent's stream to the report that it is enforced.
  const edits = apis > 2_000 ? 3 : 20; // making the whole tree anew takes this program long
  const editsMs: number[] = [];
  for (let revision = 2; revision < 2 + edits; revision += 1) {
    list[0] = api(0, revision);
    const next = await sign(revision, list);
    const editedMs = performance.now();
    agent.announce(next);
    await until(() => agent.gates().get("api-0")?.appliedRevision === BigInt(revision));
    editsMs.push(performance.now() - editedMs);
  }
  const sorted = editsMs.toSorted((a, b) => a - b);

  // Started again with everything on the disk and compiled, but no connection: strict gates hold it. Then it is confirmed.
  await until(async () =>
    (await readFile(join(fabric.directory, "cache", "index"), "utf8")).includes(
      first.documents.get(`production\napi-${apis - 1}\n1.0.0`) ?? "",
    ),
  );
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
  await new Promise((resolve) => setTimeout(resolve, 8_000)); // nothing says that a strict gate holds a compiled set
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
        residentMib: { beforeConfiguration: idleMib, open: openMib, restarted: await residentMib(again.pid) },
        announcedToReportedOpenMs: Math.round(openedMs),
        confirmedToReportedOpenMs: Math.round(flippedMs),
        editToReportedEnforcedMs: {
          p50: Math.round(sorted[Math.floor(edits / 2)] ?? 0),
          max: Math.round(sorted.at(-1) ?? 0),
        },
      },
      undefined,
      2,
    )}\n`,
  );
}
await rm(folder, { recursive: true, force: true });
