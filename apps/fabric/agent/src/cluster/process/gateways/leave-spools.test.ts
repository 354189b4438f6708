import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { leaveSpools } from "./leave-spools.ts";
import type { CurrentGatewayUnit } from "./plan-gateways.ts";

const living: CurrentGatewayUnit = {
  unitId: "gateway-0",
  template: "one",
  phase: "ready",
  hasShim: true,
  hasProcess: true,
  wish: undefined,
  exits: 0,
  lastExit: "",
  isServing: true,
};
const gone = { hasShim: false, hasProcess: false, phase: "stopped" } as const;

function keep(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "state"), "");
}

test("only spools of gateways that are over are left to the others, with what those had taken over (ANA 1)", async () => {
  await using folder = await tempDir();
  const own = (id: string): string => join(folder.path, "own", id);
  for (const id of ["gateway-1", "gateway-2", "gateway-3"]) keep(join(own(id), "analytics"));
  keep(join(folder.path, "analytics")); // of gateway-0
  keep(join(own("gateway-2"), "taken-spools", "gateway-9.5"));
  mkdirSync(own("gateway-4"), { recursive: true }); // never kept anything
  const units: readonly CurrentGatewayUnit[] = [
    living,
    { ...living, unitId: "gateway-1", hasProcess: false, phase: "crashed" }, // its shim starts it
    { ...living, unitId: "gateway-2", ...gone },
    { ...living, unitId: "gateway-3", hasShim: false, hasProcess: false, phase: "crashed" }, // is recovered
    { ...living, unitId: "gateway-4", ...gone },
  ];
  const moved = await leaveSpools(folder.path, units, new Date(7));
  expect(moved.toSorted()).toEqual(["gateway-2.7", "gateway-9.5"]);
  expect(readdirSync(join(folder.path, "left-spools")).toSorted()).toEqual(["gateway-2.7", "gateway-9.5"]);
  expect(await leaveSpools(folder.path, units, new Date(8))).toEqual([]);
});
