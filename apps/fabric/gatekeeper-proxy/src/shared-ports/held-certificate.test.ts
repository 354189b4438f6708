import { expect, test } from "vitest";
import type { CertificateFile } from "./certificate-pair.ts";
import { nextHeld, type HeldCertificate, type Look } from "./held-certificate.ts";

const now = new Date("2026-11-22T12:00:00Z");
const day = (days: number): Date => new Date(now.getTime() + days * 86_400_000);

function pair(name: string, notBefore = day(-1), notAfter = day(1)): CertificateFile {
  return { names: [name], certificateChainPem: name, privateKeyPem: "", notBefore, notAfter };
}
const good = (name: string): Look => ({ digest: name, pair: { parsed: "pair", pair: pair(name) } });
const expired = (name: string): Look => ({
  digest: name,
  pair: { parsed: "pair", pair: pair(name, day(-2), now) },
});
const early: Look = { digest: "early", pair: { parsed: "pair", pair: pair("early", day(1), day(2)) } };
const broken: Look = { digest: "broken", pair: { parsed: "broken", problem: "no PEM" } };
const gone = undefined;

/** Name in force and what is told after these looks; `undefined`: forgotten. */
function after(...looks: readonly (Look | undefined)[]): readonly [string | undefined, string | undefined] | undefined {
  let held: HeldCertificate | undefined;
  for (const look of looks) held = nextHeld(held, look, now);
  return held && [held.pair?.names[0], held.problem];
}

const rest = "; the one before it stays in force";

test.each<[string, readonly (Look | undefined)[], ReturnType<typeof after>]>([
  ["a good pair is in force at once", [good("a")], ["a", undefined]],
  ["and gives way to the next", [good("a"), good("b")], ["b", undefined]],
  ["half of a change is no fault", [good("a"), broken, good("b")], ["b", undefined]],
  [
    "a broken pair is told when it stays, and takes nobody's place",
    [good("a"), broken, broken],
    ["a", `no PEM${rest}`],
  ],
  ["for as long as it stays", [good("a"), broken, broken, broken], ["a", `no PEM${rest}`]],
  ["a broken pair at the start leaves nothing", [broken, broken], [undefined, "no PEM"]],
  ["mended it is forgotten", [good("a"), broken, broken, good("b")], ["b", undefined]],
  [
    "an expired pair takes no valid one's place",
    [good("a"), expired("old")],
    ["a", `the certificate has expired on ${now.toISOString()}${rest}`],
  ],
  ["but is better than none", [expired("old")], ["old", `the certificate has expired on ${now.toISOString()}`]],
  ["and gives way to a valid one", [expired("old"), good("a")], ["a", undefined]],
  [
    "a pair that is not valid yet waits",
    [good("a"), early],
    ["a", `the certificate is not valid before ${day(1).toISOString()}${rest}`],
  ],
  ["a folder that is away for a moment changes nothing", [good("a"), gone], ["a", undefined]],
  ["one that stays away is forgotten", [good("a"), gone, gone], undefined],
])("%s", (_rule, looks, expected) => {
  expect(after(...looks)).toEqual(expected);
});
