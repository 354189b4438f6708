import { hash } from "node:crypto";
import { expect, test } from "vitest";
import type { Contract } from "@drawbridge/contracts/apis/v1/configuration";
import { contractPagesOf } from "../testing/documents.ts";
import { bucketOf, openContracts } from "./paged-contracts.ts";

const aWireContract = (clientId: string, overrides: Partial<Contract> = {}): Contract => ({
  contractId: `0193${hash("sha256", clientId).slice(0, 32)}`,
  clientId,
  clientName: `client ${clientId}`,
  secrets: [{ sha256: hash("sha256", `secret of ${clientId}`, "buffer") }],
  tierId: "",
  ...overrides,
});

test("finds every contract on its page, and no other", () => {
  const contracts = Array.from({ length: 1_000 }, (_, index) => aWireContract(`client-${index}`));
  const set = openContracts(contractPagesOf(contracts, 16), contracts.length);
  for (const { clientId, contractId } of contracts) expect(set.find(clientId)).toMatchObject({ clientId, contractId });
  for (const clientId of ["client-1000", "client", "client-1 ", "", "x".repeat(5_000), "\0"]) {
    expect(set.find(clientId)).toBeUndefined();
  }
  expect(set.count).toBe(1_000);
});

test("reads secrets with their ends, and a tier if there is one", () => {
  const notAfter = new Date(Date.UTC(2026, 5, 1));
  const sha256 = hash("sha256", "x", "buffer");
  const set = openContracts(
    contractPagesOf(
      [aWireContract("a", { tierId: "gold", secrets: [{ sha256, notAfter }, { sha256 }] }), aWireContract("b")],
      1,
    ),
    2,
  );
  expect(set.find("a")).toMatchObject({
    tierId: "gold",
    secrets: [
      { sha256: Uint8Array.from(sha256), notAfterMs: notAfter.getTime() },
      { sha256: Uint8Array.from(sha256), notAfterMs: undefined },
    ],
  });
  expect(set.find("b")?.tierId).toBeUndefined();
});

test("an id that is part of another contract's id or name is not that contract's", () => {
  const contracts = [
    aWireContract("abc", { clientName: "b" }),
    aWireContract("abcd"),
    aWireContract("bcd", { clientName: "d a" }),
  ];
  const set = openContracts(contractPagesOf(contracts, 1), 3);
  expect(["a", "b", "c", "d", "ab", "bc", "cd"].map((clientId) => set.find(clientId))).toEqual(
    Array(7).fill(undefined),
  );
  expect(["abc", "abcd", "bcd"].map((clientId) => set.find(clientId)?.clientId)).toEqual(["abc", "abcd", "bcd"]);
});

test("pages in memory shared by threads are read as they are", () => {
  const pages = contractPagesOf([aWireContract("ünïcode"), aWireContract("b")], 2).map((page) => {
    const shared = new Uint8Array(new SharedArrayBuffer(page.length));
    shared.set(page);
    return shared;
  });
  const found = openContracts(pages, 2).find("ünïcode");
  expect(found?.clientName).toBe("client ünïcode");
  expect(found?.secrets[0]?.sha256.buffer).not.toBeInstanceOf(SharedArrayBuffer);
});

test("without pages there are no contracts", () => {
  expect(openContracts([], 0).find("a")).toBeUndefined();
});

test("the page of a client is the one that the contract of the wire names", () => {
  // First 4 bytes of SHA-256("alice") are 2bd806c9.
  expect(bucketOf("alice", 16)).toBe(0x2b_d8_06_c9 % 16);
});

test("100,000 contracts take the bytes of their pages and little more", () => {
  const contracts = Array.from({ length: 100_000 }, (_, index) =>
    aWireContract(`0193f0a2-7c1b-7e3d-9a4f-${String(index).padStart(12, "0")}`),
  );
  const pages = contractPagesOf(contracts, 2_048);
  const bytes = pages.reduce((sum, page) => sum + page.length, 0);
  const set = openContracts(pages, contracts.length);
  for (const { clientId } of contracts.slice(0, 2_000)) expect(set.find(clientId)).toBeDefined();
  // Measured: 176 bytes each, with ids of 36 characters, a name of 43 and one secret.
  expect(bytes / contracts.length).toBeLessThan(200);
});
