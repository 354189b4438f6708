import { expect, test } from "vitest";
import { fillDdl, type DdlDialect } from "./fill-ddl.ts";

const single: DdlDialect = { kind: "single" };
const cluster: DdlDialect = { kind: "cluster", cluster: "main", database: "drawbridge" };
const replica = "('/clickhouse/tables/{uuid}/{shard}', '{replica}')";

test.each([
  ["CREATE TABLE t ${on_cluster} (a Int8)", "CREATE TABLE t  (a Int8)", "CREATE TABLE t ON CLUSTER 'main' (a Int8)"],
  ["${local:events}", "events", "events_local"],
  [
    "ENGINE = ${engine:MergeTree} ORDER BY a",
    "ENGINE = MergeTree ORDER BY a",
    `ENGINE = ReplicatedMergeTree${replica} ORDER BY a`,
  ],
  ["${engine:AggregatingMergeTree}", "AggregatingMergeTree", `ReplicatedAggregatingMergeTree${replica}`],
  [
    "SETTINGS ${dedup_window:100}",
    "SETTINGS non_replicated_deduplication_window = 100",
    "SETTINGS replicated_deduplication_window = 100",
  ],
  ["no placeholder {uuid}", "no placeholder {uuid}", "no placeholder {uuid}"],
])("%s", (template, forOne, forCluster) => {
  expect(fillDdl(template, single)).toBe(forOne);
  expect(fillDdl(template, cluster)).toBe(forCluster);
});

test("the distributed table stands on a cluster only, over the local one", () => {
  const template = "${distributed:events:cityHash64(org, api)}";
  expect(fillDdl(template, single)).toBeUndefined();
  expect(fillDdl(template, cluster)).toBe(
    "CREATE TABLE IF NOT EXISTS events ON CLUSTER 'main' AS events_local " +
      "ENGINE = Distributed('main', 'drawbridge', 'events_local', cityHash64(org, api))",
  );
});

test.each(["${shard}", "${engine:Merge Tree}", "${dedup_window:many}", "${local:}", "${distributed:a b:rand()}"])(
  "refuses %s",
  (template) => {
    expect(() => fillDdl(template, cluster)).toThrow(expect.objectContaining({ code: "COLUMNAR_MIGRATION_INVALID" }));
  },
);
