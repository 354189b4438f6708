import { CapturePart, type Capture } from "@drawbridge/contracts/apis/v1/capture";
import { CaptureServiceClient, CaptureState } from "@drawbridge/contracts/apis/v1/capture_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { systemClock } from "@drawbridge/lifecycle";
import { sql } from "@drawbridge/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collectGarbage } from "../src/store/collect-garbage.ts";
import { fetchTree } from "./support/tree.ts";
import { aBinding, aKey, asked, org, startWorld, type Replica, type World } from "./support/world.ts";

const fabricId = "0198c0de-0000-7000-8000-00000000000a";
const names = ["started", "stopped", "ended", "many", "deleted"];
let world: World;
let replica: Replica;
let captures: Awaited<ReturnType<typeof asCaller>>;
const asCaller = (caller: string) => replica.as(CaptureServiceClient, caller);

beforeAll(async () => {
  world = await startWorld();
  world.bindings.ofFabric.set(
    fabricId,
    names.map((name) => aBinding(aKey(name))),
  );
  replica = await world.start({ reconcileSeconds: 1 });
  captures = await asCaller("management-api");
  const known = () => world.store.db.selectFrom("binding").select("api_name").execute();
  while ((await known()).length < names.length) await systemClock.sleep(20);
  for (const name of names) {
    await replica.apis.createApi({ ...asked(), key: aKey(name), description: "", openapi: "", autoApprove: false });
  }
}, 120_000);
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const anOrder: Capture = {
  captureId: "",
  startsAt: undefined,
  expiresAt: undefined,
  samplePerMillion: 100_000,
  methods: ["POST"],
  pathTemplates: ["/orders/{id}"],
  statusClasses: [5],
  clientApplications: [],
  parts: [CapturePart.CAPTURE_PART_REQUEST_BODY],
  reveal: ["$.order.id"],
  redact: ["$.customer"],
  exchangesPerSecond: 10,
  exchanges: 100,
};

const start = (name: string, order: Partial<Capture> = {}, durationSeconds = 600) =>
  captures.startCapture({ ...asked(), api: aKey(name), durationSeconds, capture: { ...anOrder, ...order } });

/** What a gateway of the fabric reads of an API. */
async function told(name: string): Promise<readonly Capture[]> {
  const { apis } = await fetchTree(world.ca, replica, fabricId);
  return apis.get(`${name}:v1@production`)?.document.captures ?? [];
}

test("a capture is in its API's document with its end, and in no other's, and no policy changes (META 4)", async () => {
  const before = await fetchTree(world.ca, replica, fabricId);
  const { capture: record, fabricIds } = await start("started");
  const [order, ...others] = await told("started");
  expect(others).toEqual([]);
  expect(order).toEqual(record?.capture);
  expect(order).toMatchObject({
    ...anOrder,
    captureId: order?.captureId,
    startsAt: order?.startsAt,
    expiresAt: order?.expiresAt,
  });
  expect((order?.expiresAt?.getTime() ?? 0) - (order?.startsAt?.getTime() ?? 0)).toBe(600_000);
  expect(record).toMatchObject({ state: CaptureState.CAPTURE_STATE_RUNNING, startedBy: "alice", api: aKey("started") });
  expect(fabricIds).toEqual([fabricId]);
  expect(await told("stopped")).toEqual([]);
  const revisionOf = (tree: typeof before) => tree.apis.get("started:v1@production")?.document.revision;
  expect(revisionOf(await fetchTree(world.ca, replica, fabricId))).toBe(revisionOf(before));
});

test("one that is stopped leaves the document at once, and stopping it again changes nothing (META 4)", async () => {
  const started = await start("stopped");
  const captureId = started.capture?.capture?.captureId ?? "";
  const stopped = await captures.stopCapture({ ...asked(), captureId });
  expect(await told("stopped")).toEqual([]);
  expect(stopped.capture).toMatchObject({ state: CaptureState.CAPTURE_STATE_STOPPED, stoppedBy: "alice" });
  const again = await captures.stopCapture({ ...asked(), captureId });
  expect(again).toEqual(stopped);
});

test("one whose time ran out leaves the document by itself, and can still be looked at (META 4)", async () => {
  const { capture } = await start("ended", {}, 1);
  const captureId = capture?.capture?.captureId ?? "";
  expect(captureId).not.toBe("");
  await expect.poll(() => told("ended")).toEqual([]);
  await expect
    .poll(() => captures.getCapture({ org, captureId }).then((answer) => answer.capture?.state))
    .toBe(CaptureState.CAPTURE_STATE_ENDED);
});

test("an API has five captures at the same time and no more; one that is over makes room", async () => {
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) ids.push((await start("many")).capture?.capture?.captureId ?? "");
  await expect(start("many")).rejects.toMatchObject({ code: "CAPTURES_TOO_MANY", kind: "failed_precondition" });
  expect((await told("many")).map(({ captureId }) => captureId)).toEqual(ids);
  await captures.stopCapture({ ...asked(), captureId: ids[0] ?? "" });
  await start("many");
  expect(await told("many")).toHaveLength(5);
});

test("with its API a capture is over, and what is known of it stays", async () => {
  const { capture } = await start("deleted");
  await replica.apis.deleteApi({ ...asked(), key: aKey("deleted"), force: true });
  const found = await captures.getCapture({ org, captureId: capture?.capture?.captureId ?? "" });
  expect(found.capture).toMatchObject({ state: CaptureState.CAPTURE_STATE_STOPPED, api: aKey("deleted") });
});

test.each<[string, Partial<Capture>, number, string]>([
  ["more than a day", {}, 86_401, "durationSeconds"],
  ["no time at all", {}, 0, "durationSeconds"],
  ["no part", { parts: [] }, 60, "parts"],
  ["a part that is none", { parts: [CapturePart.CAPTURE_PART_UNSPECIFIED] }, 60, "parts"],
  ["a path that is none", { reveal: ["order.id"] }, 60, "reveal"],
  ["everything below a path", { reveal: ["$..id"] }, 60, "reveal"],
  ["a status class that is none", { statusClasses: [6] }, 60, "statusClasses"],
  ["no sample", { samplePerMillion: 0 }, 60, "samplePerMillion"],
])(
  "a capture of %s is refused with its field, and the document stays (META 4)",
  async (_what, order, seconds, field) => {
    const before = await fetchTree(world.ca, replica, fabricId);
    const error: unknown = await start("started", order, seconds).catch((thrown: unknown) => thrown);
    expect(isDrawbridgeError(error) && [error.code, Object.keys(error.details)[0]]).toEqual([
      "CAPTURE_INVALID",
      expect.stringMatching(new RegExp(`^field:${field}\\b`)),
    ]);
    expect((await fetchTree(world.ca, replica, fabricId)).revision).toBe(before.revision);
  },
);

test("they are listed newest first, page by page, those that run alone if asked, of the environments asked for", async () => {
  const all = { org, environments: ["production"], isRunning: false, pageSize: 3, pageToken: "" };
  const first = await captures.listCaptures(all);
  const second = await captures.listCaptures({ ...all, pageToken: first.nextPageToken });
  const ids = [...first.captures, ...second.captures].map(({ capture }) => capture?.captureId ?? "");
  expect(ids).toEqual(ids.toSorted().toReversed());
  expect(new Set(ids).size).toBe(6);
  const running = await captures.listCaptures({ ...all, isRunning: true, pageSize: 0 });
  expect(new Set(running.captures.map(({ state }) => state))).toEqual(new Set([CaptureState.CAPTURE_STATE_RUNNING]));
  expect((await captures.listCaptures({ ...all, environments: ["sandbox"] })).captures).toEqual([]);
});

test("a path to what is never revealed is said to stay masked, and so is that there is nothing to capture (META 4)", async () => {
  const { warnings } = await start("started", { reveal: ["$.card.number", "$.order.id", "header.authorization"] });
  expect(warnings.map((warning) => warning.split(" ")[0])).toEqual(["$.card.number", "header.authorization"]);
  await replica.apis.createApi({ ...asked(), key: aKey("unbound"), description: "", openapi: "", autoApprove: false });
  expect((await start("unbound")).warnings).toEqual([expect.stringContaining("no app is bound")]);
});

test("nobody but management-api starts or reads them", async () => {
  const other = await asCaller("runtime-manager");
  await expect(
    other.listCaptures({ org, environments: [], isRunning: false, pageSize: 0, pageToken: "" }),
  ).rejects.toMatchObject({
    kind: "permission_denied",
  });
});

test("what was over for as long as its exchanges may be kept is forgotten", async () => {
  const { capture } = await start("started");
  const captureId = capture?.capture?.captureId ?? "";
  await captures.stopCapture({ ...asked(), captureId });
  await sql`UPDATE capture SET over_at = now() - interval '32 days' WHERE capture_id = ${captureId}`.execute(
    world.store.db,
  );
  await collectGarbage(world.store, new Date());
  await expect(captures.getCapture({ org, captureId })).rejects.toMatchObject({ code: "CAPTURE_NOT_FOUND" });
});
