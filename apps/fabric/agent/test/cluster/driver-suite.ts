import { isDrawbridgeError } from "@drawbridge/errors";
import { describe, expect, test } from "vitest";
import type { LogLine } from "../../src/cluster/cluster-driver.ts";
import {
  anApp,
  endpointOf,
  eventually,
  get,
  never,
  nextRevision,
  observed,
  startLoad,
  type ClusterHarness,
} from "./harness.ts";

/** What every cluster driver owes the agent, whatever it drives. */
export function describeClusterDriver(name: string, openCluster: () => Promise<ClusterHarness>): void {
  describe(`${name} as a cluster driver`, () => {
    test("says what the cluster is (META 1)", async () => {
      await using cluster = await openCluster();
      const facts = await cluster.driver.info();
      expect(facts.nodes).toBeGreaterThan(0);
      expect(facts.cpuMillicores).toBeGreaterThan(0);
      expect(facts.memoryBytes).toBeGreaterThan(0);
      expect(facts.clusterVersion).not.toBe("");
      expect(facts.containerRuntimeVersion).not.toBe("");
    });

    test("brings an app up with all its replicas and reports what it applied (MGT 3)", async () => {
      await using cluster = await openCluster();
      const app = anApp({ change: { replicas: 2 } });
      await cluster.driver.apply(app, never);
      const state = await observed(cluster.driver, app.appId);
      expect(state).toMatchObject({
        name: "shop",
        environmentName: "test",
        servingRevision: 1n,
        appliedGeneration: 1n,
        appliedSpecDigest: app.specDigest,
        problems: [],
      });
      expect(state.replicas.map((replica) => replica.state)).toEqual(["ready", "ready"]);
      expect(await get(cluster.driver, app.appId)).toEqual({ status: 200, body: "one" });
    });

    test("changes nothing when a spec is applied a second time, also by another agent (MGT 5)", async () => {
      await using cluster = await openCluster();
      const app = anApp({ change: { replicas: 2 } });
      await cluster.driver.apply(app, never);
      const before = await observed(cluster.driver, app.appId);
      const next = cluster.newDriver();
      await next.apply(app, never);
      expect(await observed(next, app.appId)).toEqual(before);
    });

    test("gives an app its configuration, secrets, port and identity and nothing of the agent's", async () => {
      await using cluster = await openCluster();
      process.env["AGENT_ONLY_VARIABLE"] = "must stay here";
      const app = anApp({ change: { secrets: { PASSWORD: "open sesame" } } });
      await cluster.driver.apply(app, never);
      delete process.env["AGENT_ONLY_VARIABLE"];
      const environment: Record<string, string> = JSON.parse(
        (await get(cluster.driver, app.appId, "/environment")).body,
      );
      expect(environment).toMatchObject({
        ANSWER: "one",
        PASSWORD: "open sesame",
        PORT: expect.stringMatching(/^\d+$/),
        DRAWBRIDGE_APP: "shop",
        DRAWBRIDGE_REPLICA: expect.stringMatching(/.+/),
        DRAWBRIDGE_VERSION: "1.0.1",
      });
      expect(environment).not.toHaveProperty("AGENT_ONLY_VARIABLE");
      expect(environment["HOME"]).not.toBe(process.env["HOME"]);
    });

    test("loses no request during update, rollback, restart and scaling under load, though the app stops abruptly (MGT 3)", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const first = anApp({ behaviour: "abrupt", answer: "one", change: { replicas: 2 } });
      await driver.apply(first, never);
      const load = startLoad(await endpointOf(driver, first.appId));
      const second = nextRevision(first, { behaviour: "abrupt", answer: "two" });
      await driver.apply(second, never);
      const third = nextRevision(second, { behaviour: "abrupt", answer: "three" });
      await driver.apply(third, never);
      await driver.apply({ ...third, generation: 4n, restartNonce: "again" }, never);
      await driver.apply({ ...third, generation: 5n, restartNonce: "again", replicas: 3 }, never);
      await driver.apply({ ...third, generation: 6n, restartNonce: "again", replicas: 1 }, never);
      const result = await load.stop();
      expect(result.failures).toEqual([]);
      expect([...result.answers].toSorted()).toEqual(["one", "three", "two"]);
      expect(await observed(driver, first.appId)).toMatchObject({ servingRevision: 3n, appliedGeneration: 6n });
    });

    test("lets a request that is under way finish on the replica that is replaced", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const first = anApp({ answer: "one" });
      await driver.apply(first, never);
      const url = new URL("/slow?ms=3000", await endpointOf(driver, first.appId));
      const slow = await fetch(url); // headers are here: the old version has it
      await driver.apply(nextRevision(first, { answer: "two" }), never);
      expect(await slow.text()).toBe("begun ended one");
      expect((await get(driver, first.appId)).body).toBe("two");
    });

    test("keeps the earlier version when the new one crashes at its start, and does not show its output", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const first = anApp({ answer: "one", change: { replicas: 2 } });
      await driver.apply(first, never);
      const error = await rejection(driver.apply(nextRevision(first, { behaviour: "crash" }), never));
      expect(error).toMatchObject({ code: "APP_CRASH_LOOP", details: { reason: "CrashLoop", lastExit: "exit 7" } });
      expect(error.message).not.toContain("the app says why");
      const state = await observed(driver, first.appId);
      expect(state).toMatchObject({ servingRevision: 1n, appliedSpecDigest: first.specDigest });
      expect(state.replicas.map((replica) => [replica.revision, replica.state])).toEqual([
        [1n, "ready"],
        [1n, "ready"],
      ]);
      expect((await get(driver, first.appId)).body).toBe("one");
      const log = await collect(driver.logs({ appId: first.appId, tailLines: 100, follow: false }, never));
      expect(log.map((line) => line.line)).toContain("the app says why it ends");
    });

    test("keeps the earlier version when the new one never becomes ready", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const first = anApp({ answer: "one" });
      await driver.apply(first, never);
      const strategy = { ...first.strategy, readyTimeoutSeconds: 2 };
      const error = await rejection(
        driver.apply(nextRevision(first, { behaviour: "never-ready", change: { strategy } }), never),
      );
      expect(error).toMatchObject({ code: "APP_NOT_READY", details: { reason: "NotReady" } });
      expect((await get(driver, first.appId)).body).toBe("one");
      await driver.apply(nextRevision(first, { answer: "repaired" }), never);
      expect((await get(driver, first.appId)).body).toBe("repaired");
    });

    test("goes on with an update that was cancelled or whose agent died", async () => {
      await using cluster = await openCluster();
      const first = anApp({ answer: "one", change: { replicas: 2 } });
      await cluster.driver.apply(first, never);
      const second = nextRevision(first, { answer: "two" });
      const cancelling = new AbortController();
      const applying = cluster.driver.apply(second, cancelling.signal);
      await eventually(async () =>
        (await observed(cluster.driver, first.appId)).replicas.some(({ revision }) => revision === 2n),
      );
      cancelling.abort(new Error("the agent goes"));
      await expect(applying).rejects.toThrow("the agent goes");
      expect((await get(cluster.driver, first.appId)).status).toBe(200);
      const next = cluster.newDriver();
      await next.apply(second, never);
      const state = await observed(next, first.appId);
      expect(state.replicas.map((replica) => [replica.revision, replica.state])).toEqual([
        [2n, "ready"],
        [2n, "ready"],
      ]);
    });

    test("stops and starts an app at the same place (MGT 3)", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const app = anApp();
      await driver.apply(app, never);
      const endpoint = await endpointOf(driver, app.appId);
      await driver.apply({ ...app, generation: 2n, specDigest: "stopped", desiredState: "stopped" }, never);
      expect(await observed(driver, app.appId)).toMatchObject({
        replicas: [],
        endpoints: [],
        servingRevision: 0n,
        appliedSpecDigest: "stopped",
      });
      await expect(fetch(endpoint)).rejects.toThrow("fetch failed");
      await driver.apply({ ...app, generation: 3n }, never);
      expect(await endpointOf(driver, app.appId)).toBe(endpoint);
      expect((await get(driver, app.appId)).status).toBe(200);
    });

    test("answers 503 with Retry-After while an app has no replicas", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const app = anApp({ change: { replicas: 0 } });
      await driver.apply(app, never);
      const response = await fetch(await endpointOf(driver, app.appId));
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(await response.json()).toMatchObject({ code: "APP_UNAVAILABLE", status: 503 });
    });

    test("restarts an app that ends on its own and tells how it ended", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const app = anApp();
      await driver.apply(app, never);
      await get(driver, app.appId, "/exit?code=3").catch(() => undefined);
      const replica = await eventually(async () => {
        const [first] = (await observed(driver, app.appId)).replicas;
        return first !== undefined && first.restarts > 0 && first.state === "ready" ? first : undefined;
      });
      expect(replica).toMatchObject({ restarts: 1, lastExit: "exit 3" });
      await eventually(async () => (await get(driver, app.appId)).body === "one");
    });

    test("removes an app with everything that belongs to it, and an unknown app is removed already", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const app = anApp({ change: { replicas: 2 } });
      await driver.apply(app, never);
      await driver.remove(app.appId, never);
      expect(await driver.observe(never)).toEqual([]);
      await driver.remove(app.appId, never);
    });

    test("shows apps that nobody spoke of to a new agent (R16)", async () => {
      await using cluster = await openCluster();
      const app = anApp();
      await cluster.driver.apply(app, never);
      const state = await observed(cluster.newDriver(), app.appId);
      expect(state).toMatchObject({ name: "shop", appliedSpecDigest: app.specDigest });
    });

    test("gives the last lines of the log and then what is added", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const app = anApp();
      await driver.apply(app, never);
      await get(driver, app.appId, "/log?lines=20");
      const tail = await eventually(async () => {
        const lines = await collect(driver.logs({ appId: app.appId, tailLines: 3, follow: false }, never));
        return lines.at(-1)?.line === "line 19" ? lines : undefined;
      });
      expect(tail.map(({ line, stream }) => [stream, line])).toEqual([
        ["stdout", "line 17"],
        ["stdout", "line 18"],
        ["stdout", "line 19"],
      ]);
      const following = new AbortController();
      const followed: string[] = [];
      for await (const { line } of driver.logs({ appId: app.appId, tailLines: 1, follow: true }, following.signal)) {
        followed.push(line);
        if (followed.length === 1) await get(driver, app.appId, "/log?lines=2");
        if (followed.length === 3) following.abort();
      }
      expect(followed).toEqual(["line 19", "line 0", "line 1"]);
    });

    test("refuses logs of an unknown app and of an unknown replica", async () => {
      await using cluster = await openCluster();
      const { driver } = cluster;
      const app = anApp();
      const logs = (replicaId?: string) =>
        collect(
          driver.logs(
            { appId: app.appId, tailLines: 1, follow: false, ...(replicaId !== undefined && { replicaId }) },
            never,
          ),
        );
      expect(await rejection(logs())).toMatchObject({ code: "APP_NOT_FOUND" });
      await driver.apply(app, never);
      expect(await rejection(logs("nobody"))).toMatchObject({ code: "REPLICA_NOT_FOUND" });
    });
  });
}

async function rejection(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isDrawbridgeError(error)) throw new Error(`expected a DrawbridgeError, got ${String(error)}`);
  return error;
}

async function collect(lines: AsyncIterable<LogLine>): Promise<readonly LogLine[]> {
  const collected: LogLine[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}
