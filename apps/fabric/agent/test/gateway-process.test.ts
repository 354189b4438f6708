import { AppPhase, type AppStatus } from "@drawbridge/contracts/runtime/v1/app";
import { ApiDocument, IndexPage, type Policy } from "@drawbridge/contracts/apis/v1/configuration";
import { createTestCa, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { eventually } from "./cluster/harness.ts";
import { runAgentCommand } from "./support/run-command.ts";
import { makeBundle } from "./support/make-bundle.ts";
import { startScriptedResolver } from "./support/scripted-resolver.ts";
import { aSpec, startScriptedRuntimeManager, type ScriptedSession } from "./support/scripted-runtime-manager.ts";
import { fabricId, openFabric } from "./support/test-fabric.ts";

const appId = "0190b8a0-0000-7000-8000-000000000001";
const apis = "apis:\n  - name: orders\n    version: v1\n    basePath: /api\n";

/** The agent, its driver and the fabric's own gateway as processes; only the control plane is scripted. */
async function openFabricWithGateway() {
  const ca = await createTestCa();
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const control = stack.use(await startScriptedRuntimeManager({ ca, fabricId }));
  const resolver = stack.use(await startScriptedResolver(ca));
  const fabric = stack.use(await openFabric(ca));
  await fabric.activate({ tunnel: [control.address], configResolver: resolver.url });
  const bundle = resolver.putBundle(await makeBundle(folder.path, { more: apis }));
  return { control, fabric, bundle, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Control = Awaited<ReturnType<typeof openFabricWithGateway>>["control"];

/** Publish what the gateway should enforce for the one API; without policies there is no such API instance. */
function publish(control: Control, policies?: readonly Policy[]) {
  const document =
    policies &&
    control.keepObject(
      Buffer.from(
        ApiDocument.encode(
          ApiDocument.fromPartial({
            apiId: "api-1",
            name: "orders",
            version: "v1",
            environment: "test",
            revision: 1n,
            policies: [...policies],
          }),
        ).finish(),
      ),
    );
  const entry = { environment: "test", name: "orders", version: "v1", document: document ?? Buffer.alloc(0) };
  const page = control.keepObject(Buffer.from(IndexPage.encode({ entries: [entry] }).finish()));
  return control.publish({ indexPages: [page] });
}

/** The newest report of the app that fits, whenever it came. */
function reported(session: ScriptedSession, fits: (app: AppStatus) => boolean): Promise<AppStatus> {
  return eventually(() =>
    session.frames
      .flatMap(({ frame }) => (frame?.$case === "status" ? frame.value.apps : []))
      .findLast((app) => app.appId === appId && fits(app)),
  );
}

async function endpointOf(session: ScriptedSession): Promise<string> {
  const { endpoints } = await reported(session, ({ phase }) => phase === AppPhase.APP_PHASE_RUNNING);
  return endpoints[0] ?? "";
}

const limit: Policy = {
  policyId: "0190b8a0-0000-7000-8000-0000000000b1",
  type: "header-injection",
  name: "stamp",
  automated: false,
  order: 1,
  configurationJson: JSON.stringify({ outbound: [{ name: "x-enforced", value: "yes" }] }),
  conditions: [],
  assets: [],
};

test("no request reaches a tracked API before its policies; then it opens without a restart, and the gate is reported (GK 1, GK 2, GK 8)", async () => {
  await using at = await openFabricWithGateway();
  await publish(at.control);
  await at.fabric.startAgent();
  const session = await at.control.session(0);
  await at.control.desire({
    generation: 1n,
    apps: [aSpec({ appId, bundle: at.bundle, gatekeeper: "strict", gatekeeperSource: "app" })],
  });
  const endpoint = await endpointOf(session);

  const blocked = await fetch(`${endpoint}/api/orders`);
  expect(blocked.status).toBe(503);
  expect(await blocked.json()).toMatchObject({ type: "urn:drawbridge:error:GATEKEEPER_BLOCKED" });
  expect((await fetch(`${endpoint}/elsewhere`)).status).toBe(200); // untracked
  const unresolved = await reported(session, ({ gates }) => gates[0]?.state === "unresolved");
  expect(unresolved.gates[0]).toMatchObject({
    gatewayId: "gateway-0",
    apiName: "orders",
    level: "strict",
    levelSource: "app",
    reason: "API_UNKNOWN",
  });

  await publish(at.control, [limit]);
  const open = await eventually(async () => {
    const answer = await fetch(`${endpoint}/api/orders`);
    return answer.status === 200 && answer;
  });
  expect(open.headers.get("x-enforced")).toBe("yes");
  await reported(session, ({ gates }) => gates[0]?.state === "live" && gates[0].policies === 1);
});

test("a gate that is open stays open without agent and control plane, and a restarted agent finds its gateway again (GK 3, MGT 5)", async () => {
  await using at = await openFabricWithGateway();
  await publish(at.control, [limit]);
  const agent = await at.fabric.startAgent();
  const session = await at.control.session(0);
  await at.control.desire({ generation: 1n, apps: [aSpec({ appId, bundle: at.bundle })] });
  const endpoint = await endpointOf(session);
  const enforced = async () => (await fetch(`${endpoint}/api/orders`)).headers.get("x-enforced") === "yes";
  await eventually(enforced);
  await agent.stop();
  expect(await enforced()).toBe(true);
  await at.fabric.startAgent();
  const next = await at.control.session(1);
  await reported(next, ({ gates }) => gates[0]?.state === "live");
  expect(await enforced()).toBe(true);
});

test("a gateway is replaced under load: every request is answered, under the policies, and the new one reports (GK 1, GK 8)", async () => {
  await using at = await openFabricWithGateway();
  await publish(at.control, [limit]);
  const restart = ["restart-gateways", "--state-dir", at.fabric.layout.root];
  expect((await runAgentCommand(restart)).err).toContain("AGENT_NOT_RUNNING");
  await at.fabric.startAgent();
  const session = await at.control.session(0);
  expect((await runAgentCommand(restart)).err).toContain("GATEWAYS_NOT_RUNNING");
  await at.control.desire({
    generation: 1n,
    apps: [aSpec({ appId, bundle: at.bundle, gatekeeper: "strict", gatekeeperSource: "app" })],
  });
  const url = `${await endpointOf(session)}/api/orders`;
  await eventually(async () => (await fetch(url)).headers.get("x-enforced") === "yes");
  const stopping = new AbortController();
  const wrong: string[] = [];
  let answered = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (!stopping.signal.aborted) {
      const answer = await fetch(url).catch((error: unknown) => String(error));
      if (typeof answer === "string") wrong.push(answer);
      else {
        await answer.arrayBuffer();
        answered += 1;
        if (answer.headers.get("x-enforced") !== "yes") wrong.push(`status ${answer.status}`);
      }
    }
  });
  expect(await runAgentCommand(restart)).toMatchObject({ exitCode: 0 });
  // The first one has gone, and what it said with it.
  await reported(session, ({ gates }) => gates.length === 1 && gates[0]?.gatewayId === "gateway-1");
  stopping.abort();
  await Promise.all(load);
  expect(wrong).toEqual([]);
  expect(answered).toBeGreaterThan(20);
});
