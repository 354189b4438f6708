import { expect, test } from "vitest";
import { withoutRepeatedHeader } from "./csv-header.ts";

async function joined(pieces: readonly string[]): Promise<string> {
  const source = (async function* () {
    for (const piece of pieces) yield Buffer.from(piece);
  })();
  const out: Uint8Array[] = [];
  for await (const piece of withoutRepeatedHeader(source)) out.push(piece);
  return Buffer.concat(out).toString();
}

test.each([
  ["of every piece", ['"a"\n1\n', '"a"\n2\n', '"a"\n3\n'], '"a"\n1\n2\n3\n'],
  ["with a line break in a name", ['"a\nb"\n1\n', '"a\nb"\n2\n'], '"a\nb"\n1\n2\n'],
  ["when there are no rows", ['"a"\n'], '"a"\n'],
  ["that is not repeated", ['"a"\n1\n', "2\n"], '"a"\n1\n2\n'],
])("keeps one header: %s", async (_what, pieces, whole) => {
  expect(await joined(pieces)).toBe(whole);
});
