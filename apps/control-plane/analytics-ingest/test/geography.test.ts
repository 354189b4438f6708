import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestLogger, FakeClock, tempDir } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { watchPlaceFile, type Geography } from "../src/enrich/geography/watch-place-file.ts";
import { nowhere } from "../src/enrich/geography/place-file.ts";
import { cityRecord, ipv4Network, mmdbFile } from "./support/place-file.ts";

const lyon = { continent: "EU", country: "FR", city: "Lyon", postalCode: "69001", timezone: "Europe/Paris" };
const pune = { continent: "AS", country: "IN", city: "Pune", postalCode: "411001", timezone: "Asia/Kolkata" };
const address = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 7]);
const ipv6 = Uint8Array.from([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);

function fileOf(place: typeof lyon): Buffer {
  return mmdbFile([
    ipv4Network("203.0.113.0", 24, cityRecord(place)),
    { address: ipv6, prefix: 32, record: cityRecord(pune) },
    { address: Uint8Array.from([0xfd, ...Array<number>(15).fill(0)]), prefix: 8, record: cityRecord(pune) },
  ]);
}

async function watch(path: string): Promise<{ geography: Geography; clock: FakeClock }> {
  const clock = new FakeClock();
  const geography = watchPlaceFile({ path, clock, logger: createTestLogger().logger });
  await geography.start(AbortSignal.timeout(240_000));
  onTestFinished(() => geography.stop(AbortSignal.timeout(5_000)));
  return { geography, clock };
}

test("tells the place of IPv4 and IPv6 addresses, and nothing of hashes and of what the file does not know (ANA 2)", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "places.mmdb");
  await writeFile(path, fileOf(lyon));
  const { geography } = await watch(path);
  expect(geography.placeOf(address, 0)).toEqual(lyon);
  expect(geography.placeOf(ipv6, 0)).toEqual(pune);
  expect(geography.placeOf(Uint8Array.from([0xfd, ...Array<number>(15).fill(7)]), 0)).toEqual(nowhere);
  expect(geography.placeOf(new Uint8Array(16), 0)).toEqual(nowhere);
  expect(geography.note()).toBeUndefined();
});

test("takes a file that came later or was replaced, and stays with the old one while the new one is no MMDB file", async () => {
  await using folder = await tempDir();
  const path = join(folder.path, "places.mmdb");
  const { geography, clock } = await watch(path);
  const lookAgain = async (): Promise<void> => {
    await clock.waitForSleep();
    clock.advance(10_000);
    await clock.waitForSleep();
  };
  const replace = async (bytes: Uint8Array): Promise<void> => {
    await writeFile(`${path}.new`, bytes);
    await rename(`${path}.new`, path);
    await lookAgain();
  };
  expect(geography.note()).toContain("no geography");
  expect(geography.placeOf(address, 0)).toEqual(nowhere);
  await replace(fileOf(lyon));
  expect(geography.note()).toBeUndefined();
  expect(geography.placeOf(address, 0)).toEqual(lyon);
  await replace(fileOf(lyon).subarray(0, 300));
  expect(geography.note()).toContain("is no MMDB file");
  expect(geography.placeOf(address, 0)).toEqual(lyon);
  await replace(fileOf(pune));
  expect(geography.note()).toBeUndefined();
  expect(geography.placeOf(address, 0)).toEqual(pune);
  await rm(path);
  await lookAgain();
  expect(geography.placeOf(address, 0)).toEqual(pune);
});
