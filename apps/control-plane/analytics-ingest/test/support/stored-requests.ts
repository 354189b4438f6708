import { join } from "node:path";
import { openColumnarStore, readColumnarMigrations, type ColumnarStore } from "@drawbridge/columnar";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { createGapBlock, createRequestBlock } from "../../src/write/request-block.ts";
import { createRollUp } from "../../src/write/roll-ups/roll-up.ts";
import { rollUpNames } from "../../src/write/roll-ups/roll-up-names.ts";

const texts = [
  "fabric_id",
  "environment",
  "api_id",
  "api",
  "api_version",
  "app",
  "replica",
  "application",
  "gateway",
  "resource_path",
  "verb",
  "policy_id",
  "policy",
  "violated_policy",
  "continent",
  "country",
  "city",
  "postal_code",
  "timezone",
  "browser",
  "user_agent_type",
  "user_agent_version",
  "hardware_platform",
  "os_family",
  "os_major_version",
  "os_minor_version",
  "os_version",
] as const;
const numbers = [
  "status_code",
  "disposition",
  "latency_us",
  "upstream_us",
  "request_bytes",
  "response_bytes",
  "weight",
] as const;

/** A row of `requests`. */
export type StoredRequest = Readonly<Record<(typeof texts)[number], string>> &
  Readonly<Record<(typeof numbers)[number], number>> & {
    readonly ts: Date;
    /** Text; "" for one that was not told. */
    readonly client_ip: string;
    readonly epoch: number;
    readonly sequence: number;
  };

/** A request of which nothing is told that may be left out. */
export function aRequest(request: Partial<StoredRequest>): StoredRequest {
  return {
    ...emptyTexts(),
    fabric_id: "00000000-0000-4000-8000-00000000000f",
    environment: "production",
    api_id: `id of ${request.api ?? "orders"}`,
    api: "orders",
    api_version: "v1",
    app: "orders-app",
    replica: "orders-app-0",
    gateway: "gateway-0",
    resource_path: "/orders/{id}",
    verb: "GET",
    status_code: 200,
    disposition: 1,
    latency_us: 5_000,
    upstream_us: 4_000,
    request_bytes: 0,
    response_bytes: 100,
    weight: 1,
    ts: new Date("2026-03-28T12:00:00Z"),
    client_ip: "",
    epoch: 1,
    sequence: 1,
    ...request,
  };
}

function emptyTexts(): Record<(typeof texts)[number], string> {
  // The keys are the list's.
  return Object.fromEntries(texts.map((name) => [name, ""])) as Record<(typeof texts)[number], string>;
}

export interface TestAnalyticsStore extends AsyncDisposable {
  readonly store: ColumnarStore;
  insert(requests: readonly StoredRequest[]): Promise<void>;
  insertGap(gap: {
    readonly fabricId: string;
    readonly requests: bigint;
    readonly from: Date;
    readonly to: Date;
  }): Promise<void>;
}

/** The tables of `migrations/` on the real engine, in which rows of any time are kept. */
export async function openTestAnalyticsStore(): Promise<TestAnalyticsStore> {
  const folder = await tempDir();
  const store = openColumnarStore({
    engine: { kind: "embedded", directory: join(folder.path, "store") },
    logger: createTestLogger().logger,
  });
  await store.start(AbortSignal.timeout(240_000));
  await store.migrate(await readColumnarMigrations(join(import.meta.dirname, "../../migrations")));
  await store.setRetention({ table: "requests", column: "ts", days: 10_000 });
  for (const table of rollUpNames) {
    await store.setRetention({ table, column: "bucket", days: 10_000 });
  }
  let files = 0;
  const insertBlock = async (table: string, block: { writeFile(path: string): Promise<unknown> }): Promise<void> => {
    files += 1;
    const path = join(folder.path, `${files}.native`);
    await block.writeFile(path);
    await store.insertFile({ table, path, token: String(files) });
  };
  return {
    store,
    insert: async (requests) => {
      const block = blockOf(requests);
      const rollUp = createRollUp(block);
      rollUp.fill();
      for (const table of rollUpNames) await insertBlock(table, rollUp.blocks[table]);
      await insertBlock("requests", block);
    },
    insertGap: (gap) => insertBlock("request_gaps", gapBlockOf(gap, files)),
    [Symbol.asyncDispose]: async () => {
      await store.stop(AbortSignal.timeout(10_000));
      await folder[Symbol.asyncDispose]();
    },
  };
}

function blockOf(requests: readonly StoredRequest[]) {
  const block = createRequestBlock();
  for (const request of requests) {
    for (const name of texts) block.columns[name].push(request[name]);
    for (const name of numbers) block.columns[name].push(request[name]);
    block.columns.ts.push(request.ts.getTime());
    block.columns.received_at.push(Math.floor(request.ts.getTime() / 1_000) + 1);
    block.columns.epoch.push(BigInt(request.epoch));
    block.columns.sequence.push(BigInt(request.sequence));
    block.columns.client_ip.push(addressBytes(request.client_ip));
  }
  return block;
}

/** `::` for none; IPv4 within IPv6. */
function addressBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  if (text === "") return bytes;
  if (text.includes(".")) return Uint8Array.of(...bytes.subarray(0, 10), 255, 255, ...text.split(".").map(Number));
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string) =>
    part.split(":").flatMap((group) => (group === "" ? [] : [Number.parseInt(group, 16)]));
  groups(head).forEach((group, index) => bytes.set([group >> 8, group & 255], 2 * index));
  const last = groups(tail);
  last.forEach((group, index) => bytes.set([group >> 8, group & 255], 16 - 2 * (last.length - index)));
  return bytes;
}

function gapBlockOf(gap: Parameters<TestAnalyticsStore["insertGap"]>[0], sequence: number) {
  const block = createGapBlock();
  const { columns } = block;
  columns.fabric_id.push(gap.fabricId);
  columns.gateway.push("gateway-0");
  columns.epoch.push(1n);
  columns.sequence.push(BigInt(sequence));
  columns.ordinal.push(0);
  columns.requests.push(gap.requests);
  columns.from_ts.push(gap.from.getTime());
  columns.to_ts.push(gap.to.getTime());
  columns.reason.push(2);
  columns.received_at.push(Math.floor(gap.to.getTime() / 1_000));
  return block;
}
