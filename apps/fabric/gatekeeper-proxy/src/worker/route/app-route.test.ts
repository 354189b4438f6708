import { expect, test } from "vitest";
import type { BlockedReason } from "../../workers/protocol.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { planRequest, type DeploymentRoute } from "./app-route.ts";
import { createBindingTable } from "./match-binding.ts";
import type { GateVerdict } from "./gate-point.ts";
import type { Replica } from "./replica.ts";

const upstream: Upstream = {
  start: () => {
    throw new Error("nothing is sent here");
  },
  tick: () => undefined,
  retire: () => undefined,
};

function aReplica(replicaId: string): Replica {
  const endpoint = { replicaId, address: "127.0.0.1", port: 1 };
  return { endpoint, upstream, name: "127.0.0.1:1", inFlight: 0, isListed: true, avoidUntilMs: 0 };
}

const closed = (reason: BlockedReason): GateVerdict => ({ verdict: "closed", reason });
const open: GateVerdict = { verdict: "passthrough" };

interface DeploymentOptions {
  readonly gates?: Readonly<Record<string, GateVerdict>>;
  readonly replicas?: readonly string[];
  readonly resources?: readonly { readonly method: string; readonly path: string }[];
}

function aDeployment(
  deployment: string,
  { gates = {}, replicas = [deployment], resources = [] }: DeploymentOptions,
): DeploymentRoute {
  const bindings = Object.keys(gates).map((basePath) => ({
    gateId: `${deployment}${basePath}`,
    apiName: basePath,
    apiVersion: "1",
    basePath,
    resources,
    verdict: { verdict: "passthrough" } as const,
  }));
  const table = createBindingTable(bindings, ({ gateId, basePath }) => ({
    gateId,
    appName: "a",
    verdict: gates[basePath] ?? open,
    reporting: undefined,
    captures: undefined,
  }));
  return { deployment, bindings: table, ready: replicas.map(aReplica) };
}

/** "tracked /rest at r1,r2", "blocked reason", "untracked at r1". */
function planOf(deployments: readonly DeploymentRoute[], method: string, path: string): string {
  const plan = planRequest({ appId: "a", appName: "a", deployments }, method, path);
  if (plan.plan === "blocked") return `blocked ${plan.reason}`;
  const at = plan.ready.map(({ endpoint }) => endpoint.replicaId).join(",");
  return plan.plan === "tracked" ? `tracked ${plan.relativePath} at ${at}` : `untracked at ${at}`;
}

test.each([
  ["/", "tracked / at d"],
  ["/orders", "blocked initializing"],
  ["/orders/1", "blocked initializing"],
  ["/ordersx", "tracked /ordersx at d"],
  ["/orders/admin/x", "blocked unresolved"],
  ["/orders/administrator", "blocked initializing"],
])("the API of the longest base path has a request: %s (GK 1)", (path, plan) => {
  const gates = { "/": open, "/orders": closed("initializing"), "/orders/admin": closed("unresolved") };
  expect(planOf([aDeployment("d", { gates })], "GET", path)).toBe(plan);
});

test.each([
  ["GET", "/api/orders/1", "blocked offline"],
  ["HEAD", "/api/orders/1", "blocked offline"],
  ["OPTIONS", "/api/orders/1", "blocked offline"],
  ["POST", "/api/orders/1", "untracked at d"],
  ["GET", "/api/orders", "untracked at d"],
  ["GET", "/other", "untracked at d"],
])("only resources that are listed are tracked: %s %s (GK 2)", (method, path, plan) => {
  const resources = [{ method: "GET", path: "/orders/{id}" }];
  expect(planOf([aDeployment("d", { gates: { "/api": closed("offline") }, resources })], method, path)).toBe(plan);
});

test("a resource that cannot be read makes all of its API tracked: undecided is tracked (GK 1)", () => {
  const resources = [{ method: "GET", path: "/orders/{" }];
  const deployments = [aDeployment("d", { gates: { "/api": closed("policy_error") }, resources })];
  expect(planOf(deployments, "GET", "/api/anything")).toBe("blocked policy_error");
});

test.each<[string, readonly DeploymentRoute[], string]>([
  [
    "the old one serves while the new one is gated",
    [aDeployment("new", { gates: { "/": closed("initializing") } }), aDeployment("old", { gates: { "/": open } })],
    "tracked /x at old",
  ],
  [
    "both serve once both are open",
    [aDeployment("new", { gates: { "/": open } }), aDeployment("old", { gates: { "/": open } })],
    "tracked /x at new,old",
  ],
  [
    "none serves while both are gated; the newest says why",
    [
      aDeployment("new", { gates: { "/": closed("offline") } }),
      aDeployment("old", { gates: { "/": closed("initializing") } }),
    ],
    "blocked offline",
  ],
  [
    "the old one serves until the new one has a replica",
    [aDeployment("new", { gates: { "/": open }, replicas: [] }), aDeployment("old", { gates: { "/": open } })],
    "tracked /x at old",
  ],
  [
    "an old one without the API gets nothing once the new one tracks it",
    [aDeployment("new", { gates: { "/": open } }), aDeployment("old", {})],
    "tracked /x at new",
  ],
  [
    "the old one is left out while it is gated and the new one tracks nothing",
    [aDeployment("new", {}), aDeployment("old", { gates: { "/": closed("initializing") } })],
    "untracked at new",
  ],
  [
    "a closed gate is told before a deployment without replicas",
    [
      aDeployment("new", { gates: { "/": closed("initializing") } }),
      aDeployment("old", { gates: { "/": open }, replicas: [] }),
    ],
    "blocked initializing",
  ],
])("of two deployments: %s", (_name, deployments, plan) => {
  expect(planOf(deployments, "GET", "/x")).toBe(plan);
});
