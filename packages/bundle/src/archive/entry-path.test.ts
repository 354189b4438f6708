import { resolve, sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { foldPath, parseEntryPath } from "./entry-path.ts";

const hostile = fc
  .array(
    fc.constantFrom(
      "..",
      ".",
      "",
      "a",
      "B",
      "/",
      "\\",
      "C:",
      "~",
      "\0",
      "\u202E",
      "%2e%2e",
      "x".repeat(300),
      "..\\..",
      "...",
      " ",
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join("/"));

test("gives a path below the root or refuses, whatever the text", () => {
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ maxLength: 60, unit: "binary" })), (path) => {
      let segments;
      try {
        segments = parseEntryPath(path, 1_024);
      } catch {
        return;
      }
      const target = resolve("/root/of/bundle", ...segments);
      expect(target === "/root/of/bundle" || target.startsWith(`/root/of/bundle${sep}`)).toBe(true);
      expect(parseEntryPath(segments.join("/"), 1_024)).toEqual(segments);
    }),
    { numRuns: 2_000 },
  );
});

test.each(["/etc/passwd", "..", "a/../../b", "../x", "C:/x", "c:x", "./C:/x", "a\\..\\b", "./../x", "a/.."])(
  "refuses %s as a traversal",
  (path) => {
    expect(() => parseEntryPath(path, 1_024)).toThrow(expect.objectContaining({ code: "BUNDLE_PATH_TRAVERSAL" }));
  },
);

test.each(["a//b", "a/./b", "a\nb", "a\0b", "a\u200Bb", "a\u202Eb", "\uFFFD", "x".repeat(256), `${"d/".repeat(600)}x`])(
  "refuses %j as malformed",
  (path) => {
    expect(() => parseEntryPath(path, 1_024)).toThrow(expect.objectContaining({ code: "BUNDLE_MALFORMED" }));
  },
);

test("takes paths as tar writes them", () => {
  expect(parseEntryPath("./drawbridge.yaml", 1_024)).toEqual(["drawbridge.yaml"]);
  expect(parseEntryPath("./a/b/", 1_024)).toEqual(["a", "b"]);
  expect(parseEntryPath("./", 1_024)).toEqual([]);
  expect(parseEntryPath("...", 1_024)).toEqual(["..."]);
});

test.each([
  [["README.md"], ["readme.MD"]],
  [["straße"], ["STRAẞE"]],
  [["caf\u00E9"], ["cafe\u0301"]],
  [["ﬁle"], ["file"]],
])("sees %j and %j as one file", (a, b) => {
  expect(foldPath(a)).toBe(foldPath(b));
});
