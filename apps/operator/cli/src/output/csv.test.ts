import { expect, test } from "vitest";
import { csvText } from "./csv.ts";

test("what would end a cell or a line is quoted (RFC 4180)", () => {
  expect(csvText([["a,b", 'say "no"', "two\nlines", "plain", 1.5, null]])).toBe(
    '"a,b","say ""no""","two\nlines",plain,1.5,\n',
  );
});

test("no text is a formula to a spreadsheet, and numbers stay numbers", () => {
  expect(csvText([['=HYPERLINK("x")', "+1", "-3", "@a", "\ta", "\ra", "a=b", -3, -0.5, ""]])).toBe(
    `"'=HYPERLINK(""x"")",'+1,'-3,'@a,'\ta,"'\ra",a=b,-3,-0.5,\n`,
  );
});
