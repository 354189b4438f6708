import { expect, test } from "vitest";
import type { Place } from "../enrich/geography/place-file.ts";
import { noUserAgent } from "../enrich/user-agent/parse-user-agent.ts";
import { createFactIds } from "./fact-ids.ts";
import { createRequestBlock } from "./request-block.ts";

const lyon: Place = { continent: "EU", country: "FR", city: "Lyon", postalCode: "69001", timezone: "Europe/Paris" };
const pune: Place = { continent: "AS", country: "IN", city: "Pune", postalCode: "411001", timezone: "Asia/Kolkata" };
const address = new Uint8Array(16);

function aWorld() {
  const told = { version: 1, place: lyon, lookups: 0 };
  const block = createRequestBlock();
  const factIds = createFactIds(block, {
    placesVersion: () => told.version,
    placeNumberOf: () => 1,
    placeOf: () => {
      told.lookups += 1;
      return told.place;
    },
    factsOf: () => noUserAgent,
  });
  const { continent, country, timezone, city, postal_code } = block.columns;
  const columns = [continent, country, timezone, city, postal_code];
  /** The block's places, as they would be written. */
  const written = (): string => Buffer.concat(columns.flatMap((column) => column.encode())).toString("latin1");
  const clear = (): void => {
    block.clear();
    factIds.clear();
  };
  return { told, factIds, written, clear };
}

test("a place is looked up once, also for the blocks after, and is in the dictionaries of each (ANA 2)", () => {
  const { told, factIds, written, clear } = aWorld();
  factIds.pushPlaces(Uint32Array.of(factIds.placeRow(address, 0, "city"), factIds.placeRow(address, 0, "city")));
  const first = written();
  expect(first).toContain("Lyon");
  clear();
  factIds.pushPlaces(Uint32Array.of(factIds.placeRow(address, 0, "city"), factIds.placeRow(address, 0, "city")));
  expect(written()).toBe(first);
  expect(told.lookups).toBe(1);
});

test("another file of places counts from its first address on, within a block (ANA 2)", () => {
  const { told, factIds, written } = aWorld();
  const before = factIds.placeRow(address, 0, "city");
  told.version = 2;
  told.place = pune;
  factIds.pushPlaces(Uint32Array.of(before, factIds.placeRow(address, 0, "city")));
  expect(written()).toContain("Lyon");
  expect(written()).toContain("Pune");
});

test("where only the country may be told nothing else of a place is written, whoever else may know it (ANA 2)", () => {
  const { factIds, written, clear } = aWorld();
  factIds.placeRow(address, 0, "city");
  clear();
  factIds.pushPlaces(Uint32Array.of(factIds.placeRow(address, 0, "country"), factIds.placeRow(address, 0, "none")));
  expect(written()).toContain("Europe/Paris");
  expect(written()).not.toContain("Lyon");
  expect(written()).not.toContain("69001");
});
