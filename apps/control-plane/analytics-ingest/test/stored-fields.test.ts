import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "@drawbridge/columnar";
import { GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { tempDir } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { cityRecord, ipv4Network, mmdbFile } from "./support/place-file.ts";
import { aQueuedBatch, fabricId, orders, type BatchParts } from "./support/queued-batches.ts";
import { writerInProcess, type WriterInProcess } from "./support/writer-in-process.ts";

const day = 86_400_000;
const minute = 60_000;
const chrome =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

async function world(): Promise<WriterInProcess> {
  const folder = await tempDir();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const placeFile = join(folder.path, "places.mmdb");
  const lyon = { continent: "EU", country: "FR", city: "Lyon", postalCode: "69001", timezone: "Europe/Paris" };
  await writeFile(placeFile, mmdbFile([ipv4Network("203.0.113.0", 24, cityRecord(lyon))]));
  return writerInProcess({ placeFile });
}

test("a request is stored with all of its fields, those of the client's place and program too (ANA 2)", async () => {
  const { publish, emptied, rows } = await world();
  const receivedAtMs = Date.now();
  const request = {
    receivedAtMs: receivedAtMs - 2_000,
    status: 429,
    disposition: 2 as const,
    policy: { policyId: "p-1", name: "rate limit" },
    latencyUs: 5_000,
    userAgent: chrome,
  };
  await publish([aQueuedBatch({ sequence: 3, epoch: 7, receivedAtMs, requests: [request] })]);
  await emptied();
  expect(
    await rows(
      sql`SELECT * REPLACE (toUnixTimestamp64Milli(ts) AS ts, toUnixTimestamp(received_at) AS received_at) FROM requests`,
    ),
  ).toEqual([
    {
      ts: String(receivedAtMs - 2_000),
      received_at: Math.floor(receivedAtMs / 1_000),
      fabric_id: fabricId,
      environment: "production",
      api_id: orders.apiId,
      api: "orders",
      api_version: "v1",
      app: "orders-app",
      replica: "orders-app-0",
      application: "shop",
      gateway: "gateway-0",
      epoch: "7",
      sequence: "3",
      resource_path: "/orders/{id}",
      verb: "GET",
      status_code: 429,
      disposition: 2,
      policy_id: "p-1",
      policy: "rate limit",
      violated_policy: "rate limit",
      latency_us: 5_000,
      upstream_us: 700,
      request_bytes: 10,
      response_bytes: 20,
      weight: 1,
      client_ip: "::ffff:203.0.113.7",
      continent: "EU",
      country: "FR",
      city: "Lyon",
      postal_code: "69001",
      timezone: "Europe/Paris",
      browser: "Chrome",
      user_agent_type: "browser",
      user_agent_version: "120.0.0.0",
      hardware_platform: "desktop",
      os_family: "Windows",
      os_major_version: "10",
      os_minor_version: "",
      os_version: "10",
    },
  ]);
});

const { GEOGRAPHY_DETAIL_COUNTRY, GEOGRAPHY_DETAIL_NONE, GEOGRAPHY_DETAIL_CITY } = GeographyDetail;
const levels: readonly (readonly [string, Partial<BatchParts>, object])[] = [
  ["the network alone", { addressDetail: "truncated" }, { ip: "::ffff:203.0.113.0", country: "FR", city: "Lyon" }],
  [
    "a hash, which has no place",
    { addressDetail: "hashed" },
    { ip: expect.stringMatching(/^fd/), country: "", city: "" },
  ],
  ["no address, and so no place", { addressDetail: "none" }, { ip: "::", country: "", city: "" }],
  [
    "an address and its country",
    { api: { geography: GEOGRAPHY_DETAIL_COUNTRY } },
    { ip: "::ffff:203.0.113.7", country: "FR", city: "" },
  ],
  [
    "an address, but no place",
    { api: { geography: GEOGRAPHY_DETAIL_NONE } },
    { ip: "::ffff:203.0.113.7", country: "", city: "" },
  ],
  [
    "a place, but no User-Agent",
    { isUserAgentTold: false, api: { geography: GEOGRAPHY_DETAIL_CITY } },
    { city: "Lyon", browser: "" },
  ],
];

test("what an API's settings do not allow is not in the store, whatever the client told (ANA 3)", async () => {
  const { publish, emptied, rows } = await world();
  await publish(
    levels.map(([, parts], index) =>
      aQueuedBatch({ sequence: index + 1, requests: [{ userAgent: chrome }], ...parts }),
    ),
  );
  await emptied();
  const stored = await rows(
    sql`SELECT toString(client_ip) AS ip, country, city, postal_code, timezone, browser FROM requests ORDER BY sequence`,
  );
  for (const [index, [rule, , expected]] of levels.entries()) expect(stored[index], rule).toMatchObject(expected);
});

test("of a User-Agent nothing but names of closed lists and numbers is stored, in rows or roll-ups (META 4)", async () => {
  const { publish, emptied, rows } = await world();
  const userAgents = [
    "canary-7731/1.0",
    `${chrome} canary-7731`,
    "curl/8.5.0 (canary-7731)",
    "Mozilla/5.0 (canary-7731)",
  ];
  await publish([aQueuedBatch({ sequence: 1, requests: userAgents.map((userAgent) => ({ userAgent })) })]);
  await emptied();
  expect(await rows(sql`SELECT browser FROM requests ORDER BY browser`)).toEqual(
    ["", "", "Chrome", "curl"].map((browser) => ({ browser })),
  );
  const kept = JSON.stringify([
    await rows(sql`SELECT * FROM requests`),
    await rows(sql`SELECT * FROM user_agent_traffic_1h`),
  ]);
  expect(kept).not.toContain("canary");
  expect(kept).not.toContain("7731");
});

test("a gateway whose clock is wrong puts its requests where they can be, not into other centuries (ANA 3)", async () => {
  const { publish, emptied, rows } = await world();
  const receivedAtMs = Math.floor(Date.now() / 1_000) * 1_000;
  const times = [receivedAtMs - 1_000, receivedAtMs + 4 * minute, receivedAtMs + 3 * day, 0, receivedAtMs - 6 * day];
  await publish(
    times.map((time, index) => aQueuedBatch({ sequence: index + 1, receivedAtMs, requests: [{ receivedAtMs: time }] })),
  );
  await emptied();
  const stored = await rows(sql`SELECT toUnixTimestamp64Milli(ts) AS ts FROM requests ORDER BY sequence`);
  expect(stored.map(({ ts }) => Number(ts) - receivedAtMs)).toEqual([-1_000, 4 * minute, 0, -7 * day, -6 * day]);
});

test("days of Kathmandu, which begin at a quarter to an hour, are the same from the quarter hours as from the requests (ANA 3)", async () => {
  const { publish, emptied, rows } = await world();
  const receivedAtMs = Date.now();
  // 18:15 UTC, before and after.
  const midnight = Math.floor(receivedAtMs / day) * day - 2 * day + (18 * 60 + 15) * minute;
  const requests = [-16, -15, -1, 0, 1, 14, 15].flatMap((minutes, index) =>
    Array.from({ length: index + 1 }, () => ({ receivedAtMs: midnight + minutes * minute })),
  );
  await publish([aQueuedBatch({ sequence: 1, receivedAtMs, requests })]);
  await emptied();
  const raw = await rows(
    sql`SELECT toString(toDate(ts, 'Asia/Kathmandu')) AS day, sum(weight) AS requests FROM requests GROUP BY day ORDER BY day`,
  );
  const rolledUp = await rows(
    sql`SELECT toString(toDate(bucket, 'Asia/Kathmandu')) AS day, sum(requests) AS requests FROM api_traffic_15m GROUP BY day ORDER BY day`,
  );
  expect(raw.map(({ requests: count }) => count)).toEqual(["6", "22"]);
  expect(rolledUp).toEqual(raw);
});
