import type { TrustBundle } from "@drawbridge/pki";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { assertAdoptable } from "./assert-adoptable.ts";

let old: TestCa;
let next: TestCa;
let serverUnderNew: readonly Uint8Array[];
let serverUnderOld: readonly Uint8Array[];

beforeAll(async () => {
  [old, next] = await Promise.all([createTestCa(), createTestCa()]);
  serverUnderNew = (await next.issueService("runtime-manager")).chainDer;
  serverUnderOld = (await old.issueService("runtime-manager")).chainDer;
});

const day = 86_400_000;

function adopt(change: {
  readonly rootsDer: readonly Uint8Array[];
  readonly serverChainDer: readonly Uint8Array[];
  readonly possibleNows?: readonly Date[];
}): () => void {
  const offered: TrustBundle = { ...old.trustBundle, sequence: 2n, rootsDer: change.rootsDer };
  const { serverChainDer, possibleNows = [new Date()] } = change;
  return () => assertAdoptable({ present: old.trustBundle, next: offered, serverChainDer, possibleNows });
}

test("a bundle with all present roots is taken over, whatever the server shows (R8 init)", () => {
  const rootsDer = [...old.trustBundle.rootsDer, ...next.trustBundle.rootsDer];
  expect(adopt({ rootsDer, serverChainDer: [] })).not.toThrow();
});

test("a root is dropped only when the server that says so leads to one that stays (R8)", () => {
  const { rootsDer } = next.trustBundle;
  expect(adopt({ rootsDer, serverChainDer: serverUnderNew })).not.toThrow();
  for (const serverChainDer of [serverUnderOld, []])
    expect(adopt({ rootsDer, serverChainDer })).toThrow(expect.objectContaining({ code: "TRUST_BUNDLE_REFUSED" }));
});

test("a clock that is wrong does not stand in the way (R21)", () => {
  const possibleNows = [new Date(Date.now() + 40 * day), new Date()];
  const { rootsDer } = next.trustBundle;
  expect(adopt({ rootsDer, serverChainDer: serverUnderNew, possibleNows })).not.toThrow();
});
