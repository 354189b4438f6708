import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { sql } from "@drawbridge/store";
import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAuditTrail } from "../src/audit/audit-trail.ts";
import { verifyAuditChain } from "../src/audit/verify-audit-chain.ts";
import { createEventRecorder } from "../src/consumers/audit-consumers.ts";
import { createAuditRepository } from "../src/store/audit-repository.ts";
import { openTestStore } from "./support/open-store.ts";
import { type RefusedEvent, startApi, type TestApi } from "./support/start-api.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
});
afterAll(() => world[Symbol.asyncDispose]());

const never = new AbortController().signal;
const latest = async (limit = 1): Promise<Record<string, unknown>[]> => {
  const { json } = await world.api.call("GET", `/v1/audit?limit=${limit}`, { token: world.adminToken });
  return json.items;
};

describe("the audit log", () => {
  test("has one record of a write, with what was done, by whom, from where and how it ended", async () => {
    const body = { name: "staging", description: "before production" };
    const headers = { "idempotency-key": "make staging" };
    await world.api.call("POST", "/v1/environments", { token: world.adminToken, body, headers });
    await world.api.call("POST", "/v1/environments", { token: world.adminToken, body, headers });
    const [again, first] = await latest(2);
    expect(first).toMatchObject({
      actor: "admin",
      address: "127.0.0.1",
      action: "environment.create",
      result: "success",
      statusCode: 201,
      errorCode: "",
      details: { environment: "staging" },
    });
    expect(again).toMatchObject({
      result: "failed",
      statusCode: 409,
      errorCode: "ENVIRONMENT_EXISTS",
      requestId: first?.["requestId"],
    });
  });

  test("has a record of every refusal: no token, a bad token, a role that is too weak, a wrong password", async () => {
    const viewer = await world.createUser("viewer", [{ role: "viewer", environment: "*" }]);
    await world.api.call("GET", "/v1/fabrics");
    await world.api.call("GET", "/v1/fabrics", { token: "dbt1.nonsense" });
    await world.api.call("GET", "/v1/users", { token: viewer });
    await world.api.call("POST", "/v1/sessions", { body: { username: "viewer", password: "wrong" } });
    const records = (await latest(4)).toReversed();
    expect(
      records.map(({ actor, action, result, statusCode, errorCode }) => [actor, action, result, statusCode, errorCode]),
    ).toEqual([
      ["anonymous", "fabric.list", "refused", 401, "LOGIN_REQUIRED"],
      ["anonymous", "fabric.list", "refused", 401, "ACCESS_TOKEN_INVALID"],
      ["viewer", "user.list", "refused", 403, "PERMISSION_DENIED"],
      ["anonymous", "session.create", "refused", 401, "LOGIN_FAILED"],
    ]);
    expect(records.at(-1)?.["details"]).toEqual({ username: "viewer" });
  });

  test("does not keep a user name that can be none: it may be a password in the wrong field", async () => {
    await world.api.call("POST", "/v1/sessions", { body: { username: "My Secret Passw0rd", password: "x" } });
    expect((await latest())[0]).toMatchObject({ errorCode: "LOGIN_FAILED", details: {} });
  });

  test("has a record of a write whose body was not valid, and none of a read", async () => {
    await world.api.call("POST", "/v1/users", { token: world.adminToken, body: { username: "X" } });
    const [before] = await latest();
    expect(before).toMatchObject({ action: "user.create", result: "failed", errorCode: "REQUEST_INVALID" });
    await world.api.call("GET", "/v1/users", { token: world.adminToken });
    expect((await latest())[0]).toEqual(before);
  });

  test("is read page by page, newest first", async () => {
    const { json } = await world.api.call("GET", "/v1/audit?limit=2", { token: world.adminToken });
    const next = await world.api.call("GET", `/v1/audit?limit=2&pageToken=${json.nextPageToken}`, {
      token: world.adminToken,
    });
    const seqs = [...json.items, ...next.json.items].map((item: { seq: number }) => item.seq);
    const newest = seqs[0] ?? 0;
    expect(seqs).toEqual([newest, newest - 1, newest - 2, newest - 3]);
    const wrong = await world.api.call("GET", "/v1/audit?pageToken=nonsense", { token: world.adminToken });
    expect(wrong.json.code).toBe("REQUEST_INVALID");
  });
});

describe("the chain (R24)", () => {
  test("has no gap and no fork when two replicas write at once", async () => {
    const other = await world.startReplica("management-api-1");
    await using store = await openTestStore(world.database);
    const before = (await createAuditRepository(store).readHead()).seq;
    const writes = Array.from({ length: 60 }, (_, index) => {
      const { api } = index % 2 === 0 ? world : other;
      return api.call("POST", "/v1/environments", { token: world.adminToken, body: { name: `env-${index % 20}` } });
    });
    const statuses = (await Promise.all(writes)).map((answer) => answer.status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(20);
    const verdict = await verifyAuditChain(createAuditRepository(store), never);
    expect(verdict).toMatchObject({ intact: true, head: { seq: before + 60n } });
  });

  test("cannot be changed by the service's own role: UPDATE, DELETE and TRUNCATE are refused", async () => {
    await using store = await openTestStore(world.database);
    for (const statement of [
      sql`UPDATE audit_record SET actor = 'mallory'`,
      sql`DELETE FROM audit_record`,
      sql`TRUNCATE audit_record`,
    ]) {
      await expect(statement.execute(store.db)).rejects.toMatchObject({
        code: expect.stringMatching(/^STORE_/) as string,
      });
    }
  });

  test("shows, with exit code 1 and the first broken number, what somebody with all rights did to it", async () => {
    expect(await runVerifyJob()).toEqual({
      exitCode: 0,
      text: expect.stringContaining("the audit chain is intact") as string,
    });
    await using store = await openTestStore(world.database, "superuser");
    await sql`ALTER TABLE management_api.audit_record DISABLE TRIGGER ALL`.execute(store.db);
    await sql`UPDATE management_api.audit_record SET actor = 'nobody' WHERE seq = 3`.execute(store.db);
    const { exitCode, text } = await runVerifyJob();
    expect(exitCode).toBe(1);
    expect(text).toContain('"seq":"3"');
    expect(text).toContain('"fault":"altered"');
    await sql`UPDATE management_api.audit_record SET actor = 'admin' WHERE seq = 3`.execute(store.db);
  });

  test("shows that its end was cut off", async () => {
    await using store = await openTestStore(world.database, "superuser");
    const head = await createAuditRepository(store).readHead();
    await store
      .transaction(async (tx) => {
        await sql`DELETE FROM management_api.audit_record WHERE seq > ${String(head.seq - 2n)}`.execute(tx);
        const cut = createAuditRepository({ db: tx, transaction: (work) => work(tx) });
        expect(await verifyAuditChain(cut, never)).toEqual({ intact: false, seq: head.seq - 1n, fault: "cut off" });
        throw new Error("roll back");
      })
      .catch((error: unknown) => expect(error).toMatchObject({ message: "roll back" }));
  });
});

describe("what other services announce", () => {
  const event = (id: string): RefusedEvent => ({
    id,
    type: "activation.token.refused.v1",
    scope: "f1",
    occurredAt: new Date(0),
    traceparent: "",
    payload: {
      tokenId: "t1",
      fabricId: "f1",
      errorCode: "ACTIVATION_TOKEN_USED",
      remoteAddress: "10.0.0.9",
      keySha256: "",
    },
  });

  test("becomes a record exactly once, also when two replicas get it at the same time", async () => {
    await using store = await openTestStore(world.database);
    const audit = createAuditRepository(store);
    const record = createEventRecorder({ store, audit });
    const id = uuidV7Ids.next();
    const before = await audit.readHead();
    await Promise.all(Array.from({ length: 8 }, () => record(event(id))));
    await record(event(id));
    expect((await audit.readHead()).seq).toBe(before.seq + 1n);
    expect((await latest())[0]).toMatchObject({
      requestId: id,
      errorCode: "ACTIVATION_TOKEN_USED",
      address: "10.0.0.9",
    });
  });

  test("arrives over NATS", async () => {
    const id = uuidV7Ids.next();
    await world.publish(event(id));
    await expect.poll(async () => (await latest())[0]?.["requestId"]).toBe(id);
  });
});

describe("a write whose process dies before its outcome is known", () => {
  test("is recorded as unknown by whoever sweeps later", async () => {
    await using store = await openTestStore(world.database);
    const repository = createAuditRepository(store);
    const clock = new FakeClock(new Date());
    const { logger } = createTestLogger();
    const dead = createAuditTrail({ store, repository, clock, ids: uuidV7Ids, logger });
    const subject = {
      requestId: "r-dead",
      actor: "admin",
      address: "",
      action: "app.deploy",
      target: "production/x",
      details: {},
    };
    await dead.begin(subject); // and nothing more

    const later = new FakeClock(new Date(clock.now().getTime() + 16 * 60_000));
    const sweeper = createAuditTrail({ store, repository, clock: later, ids: uuidV7Ids, logger });
    await sweeper.start(never);
    await later.waitForSleep();
    await sweeper.stop(never);
    expect((await latest())[0]).toMatchObject({ requestId: "r-dead", result: "unknown", action: "app.deploy" });
  });

  test("is refused when not even its intent can be stored", async () => {
    await using store = await openTestStore(world.database, "superuser");
    await sql`ALTER TABLE management_api.audit_intent RENAME TO audit_intent_away`.execute(store.db);
    try {
      const answer = await world.api.call("POST", "/v1/environments", {
        token: world.adminToken,
        body: { name: "unseen" },
      });
      expect(answer.json).toMatchObject({ status: 500, code: "STORE_FAILED" });
    } finally {
      await sql`ALTER TABLE management_api.audit_intent_away RENAME TO audit_intent`.execute(store.db);
    }
    const { json } = await world.api.call("GET", "/v1/environments", { token: world.adminToken });
    expect(json.items.map((item: { name: string }) => item.name)).not.toContain("unseen");
  });
});

async function runVerifyJob(): Promise<{ readonly exitCode: number; readonly text: string }> {
  const folder = await mkdtemp(join(tmpdir(), "audit-verify-"));
  try {
    const urlFile = join(folder, "url");
    await writeFile(urlFile, world.database.url, { mode: 0o600 });
    const job = spawn(process.execPath, [join(import.meta.dirname, "../src/audit-verify.ts")], {
      env: { DRAWBRIDGE_DATABASE_URL_FILE: urlFile },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    job.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const [exitCode] = (await once(job, "close")) as [number]; // "close" gives the exit code of a process that was not killed
    return { exitCode, text };
  } finally {
    await rm(folder, { recursive: true });
  }
}
