import { describe, expect, test } from "vitest";
import {
  type AuditEntry,
  type AuditRecord,
  auditHash,
  chainEntry,
  checkChain,
  emptyChain,
  genesisHash,
} from "./audit-record.ts";

function anEntry(overrides: Partial<AuditEntry> = {}): AuditEntry {
  return {
    occurredAt: new Date("2026-01-01T00:00:00.123Z"),
    requestId: "r1",
    actor: "alice",
    address: "127.0.0.1",
    action: "app.deploy",
    target: "app/production/hello",
    result: "success",
    statusCode: 200,
    errorCode: "",
    details: { b: "2", a: "1" },
    ...overrides,
  };
}

function aChain(length: number): AuditRecord[] {
  const records: AuditRecord[] = [];
  let head = emptyChain;
  for (let index = 0; index < length; index += 1) {
    const record = chainEntry(head, anEntry({ requestId: `r${index}` }));
    records.push(record);
    head = record;
  }
  return records;
}

describe("the audit chain (R24)", () => {
  test("starts at 1 behind the genesis hash", () => {
    expect(chainEntry(emptyChain, anEntry())).toMatchObject({ seq: 1n, prevHash: genesisHash });
  });

  test("holds when nothing was touched", () => {
    const records = aChain(4);
    expect(checkChain(emptyChain, records)).toEqual({ intact: true, head: { seq: 4n, hash: records[3]?.hash } });
  });

  test("does not depend on the order in which details were written", () => {
    expect(auditHash(1n, genesisHash, anEntry({ details: { a: "1", b: "2" } }))).toBe(
      auditHash(1n, genesisHash, anEntry({ details: { b: "2", a: "1" } })),
    );
  });

  test.each<[string, Partial<AuditEntry>]>([
    ["time", { occurredAt: new Date("2026-01-01T00:00:00.124Z") }],
    ["request id", { requestId: "other" }],
    ["actor", { actor: "mallory" }],
    ["address", { address: "10.0.0.1" }],
    ["action", { action: "app.delete" }],
    ["target", { target: "app/sandbox/hello" }],
    ["result", { result: "refused" }],
    ["status code", { statusCode: 403 }],
    ["error code", { errorCode: "X" }],
    ["details", { details: { a: "1" } }],
  ])("names the first record whose %s was altered", (_field, change) => {
    const [first, second, third] = aChain(3);
    if (!first || !second || !third) throw new Error("a chain of three has three records");
    expect(checkChain(emptyChain, [first, { ...second, ...change }, third])).toEqual({
      intact: false,
      seq: 2n,
      fault: "altered",
    });
  });

  test("names the first record that is missing", () => {
    expect(checkChain(emptyChain, aChain(4).toSpliced(1, 1))).toEqual({ intact: false, seq: 2n, fault: "missing" });
  });

  test("shows a record that was rewritten together with its hash", () => {
    const records = aChain(3);
    const forged = chainEntry(emptyChain, anEntry({ actor: "mallory" }));
    expect(checkChain(emptyChain, [forged, ...records.slice(1)])).toEqual({
      intact: false,
      seq: 2n,
      fault: "unchained",
    });
  });
});
