import { expect, test } from "vitest";
import { csvText } from "./csv.ts";

test("what would end a cell or a line is quoted (RFC 4180)", () => {
  expect(csvText([["a,b", 'say "no"', "two\nlines", "plain", 1.5, null]])).toBe(
    '"a,b","say ""no""","two\nlines",plain,1.5,\n',
  );
});
