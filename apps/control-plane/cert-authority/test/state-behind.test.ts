import { connectBus } from "@drawbridge/bus";
import { startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { getPublic } from "./harness.ts";
import { createRotationStack, issueAgent, startRequest, until } from "./rotation-harness.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 120_000);
afterAll(() => postgres[Symbol.asyncDispose](), 60_000);

test("a record that has forgotten a root in use issues nothing and hands out no bundle (R26 h)", async () => {
  await using stack = await createRotationStack(postgres);
  const first = await stack.start({ DRAWBRIDGE_ROTATION_GRACE_SECONDS: "3600" });
  const operator = await stack.callerOf(first, "management-api");
  await operator.startRotation(startRequest());
  const activation = await stack.callerOf(first, "activation");
  await issueAgent(activation);
  // What a backup from before the rotation looks like.
  const { db } = stack.store;
  const bus = connectBus({ ...stack.nats, name: "test", logger: first.log.logger });
  await bus.start(AbortSignal.timeout(240_000));
  const bucket = await bus.kv("revoked");
  const isNoted = async () =>
    Buffer.from((await bucket.get("authority.bundle"))?.value ?? [])
      .toString()
      .startsWith("2 ");
  await until(isNoted, "the roots in the bucket");
  await bus.stop(AbortSignal.timeout(1_000));
  await db.deleteFrom("rotation").execute();
  await db.deleteFrom("trust_succession").execute();
  await db.deleteFrom("ca_key").where("kind", "=", "issuing").where("state", "=", "prepared").execute();
  await db.deleteFrom("ca_key").where("state", "=", "prepared").execute();
  await db.updateTable("trust_bundle").set({ sequence: "1", version: "1" }).execute();

  const restored = await stack.start({ DRAWBRIDGE_REPLICA: "cert-authority-1" });
  const caller = await stack.callerOf(restored, "activation");
  const behind = { kind: "failed_precondition", code: "CA_STATE_BEHIND" };
  await expect(issueAgent(caller)).rejects.toMatchObject(behind);
  await expect(caller.getTrustBundle({})).rejects.toMatchObject(behind);
  const answer = await getPublic(restored, "/v1/trust-bundle");
  expect([answer.status, answer.headers["content-type"]]).toEqual([503, "application/problem+json; charset=utf-8"]);
  expect(JSON.parse(answer.body.toString())).toMatchObject({ code: "CA_STATE_BEHIND" });
  expect(answer.body.toString()).not.toContain("CERTIFICATE");
  const { alerts } = await (await stack.callerOf(restored, "management-api")).getAuthorityStatus({});
  expect(alerts).toContainEqual(expect.stringContaining("CA_STATE_BEHIND"));
}, 60_000);
