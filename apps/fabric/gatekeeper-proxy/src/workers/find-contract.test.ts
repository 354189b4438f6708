import { createHash } from "node:crypto";
import { ContractPage, type Contract } from "@drawbridge/contracts/apis/v1/configuration";
import { expect, test } from "vitest";
import { findContract } from "./find-contract.ts";

const secret = { sha256: Buffer.alloc(32, 7), notAfter: new Date("2026-03-01T00:00:00Z") };

function aContract(clientId: string): Contract {
  return { contractId: `contract of ${clientId}`, clientId, clientName: "shop", secrets: [secret], tierId: "gold" };
}

/** In shared memory, as workers get them. */
function pagesOf(clientIds: readonly string[], pageCount: number): Uint8Array[] {
  const pages: Contract[][] = Array.from({ length: pageCount }, () => []);
  for (const clientId of clientIds) {
    const hash = createHash("sha256").update(clientId).digest().readUInt32BE(0);
    pages[hash % pageCount]?.push(aContract(clientId));
  }
  return pages.map((contracts) => {
    const encoded = ContractPage.encode({ contracts }).finish();
    const shared = new Uint8Array(new SharedArrayBuffer(encoded.length));
    shared.set(encoded);
    return shared;
  });
}

test("every contract is found on the page that its client id names", () => {
  const clientIds = Array.from({ length: 200 }, (_, index) => `client-${index}`);
  const pages = pagesOf(clientIds, 4);
  for (const clientId of clientIds) expect(findContract(pages, clientId)).toEqual(aContract(clientId));
});

test("a client id that only begins like one, or is empty, has no contract", () => {
  const pages = pagesOf(["client-10", "client-11"], 1);
  for (const clientId of ["client-1", "client-100", "", "CLIENT-10"]) {
    expect(findContract(pages, clientId)).toBeUndefined();
  }
  expect(findContract([], "client-10")).toBeUndefined();
});

test("a page that is cut short or made of anything else is no contract and no endless loop", () => {
  const [page = new Uint8Array()] = pagesOf(["client-10"], 1);
  for (let length = 0; length < page.length; length += 1) {
    expect(findContract([page.subarray(0, length)], "client-10")).toBeUndefined();
  }
  for (let byte = 0; byte < 256; byte += 1) {
    expect(findContract([new Uint8Array(64).fill(byte)], "client-10")).toBeUndefined();
  }
});
