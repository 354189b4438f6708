import { expect, test } from "vitest";
import { createLineSplitter, maxLineBytes } from "./line-splitter.ts";

function split(...chunks: readonly string[]): readonly string[] {
  const splitter = createLineSplitter();
  const lines = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)));
  return [...lines, ...(splitter.flush() === undefined ? [] : ["unreachable"])];
}

test.each([
  ["one line", ["a\n"], ["a"]],
  ["several lines in a chunk", ["a\nb\n\nc\n"], ["a", "b", "", "c"]],
  ["a line in several chunks", ["a", "b", "c\n"], ["abc"]],
  ["line ends of Windows", ["a\r\nb\r\n"], ["a", "b"]],
])("splits %s", (_what, chunks, lines) => {
  expect(split(...chunks)).toEqual(lines);
});

test("puts a character together that two chunks share", () => {
  const splitter = createLineSplitter();
  const bytes = Buffer.from("größe\n");
  expect([...splitter.push(bytes.subarray(0, 3)), ...splitter.push(bytes.subarray(3))]).toEqual(["größe"]);
});

test("cuts a line at 64 KiB and goes on with the next", () => {
  const splitter = createLineSplitter();
  const lines = [
    ...splitter.push(Buffer.alloc(maxLineBytes, "x")),
    ...splitter.push(Buffer.alloc(maxLineBytes, "y")),
    ...splitter.push(Buffer.from("\nnext\n")),
  ];
  expect(lines.map((line) => line.length)).toEqual([maxLineBytes, 4]);
  expect(lines[0]).not.toContain("y");
});

test("gives what came without a newline once", () => {
  const splitter = createLineSplitter();
  splitter.push(Buffer.from("a\nrest"));
  expect(splitter.flush()).toBe("rest");
  expect(splitter.flush()).toBeUndefined();
});
