import { expect, test } from "vitest";
import { plainLines, plainLogLine, plainText } from "./plain-text.ts";

test.each([
  ["an escape sequence", "a\u001b[2Jb", "a\\u{1b}[2Jb"],
  ["an escape sequence of eight bits", "\u009b2J", "\\u{9b}2J"],
  ["carriage return, line feed and tab", "a\r\n\tb", "a\\u{d}\\u{a}\\u{9}b"],
  ["a delete", "\u007f", "\\u{7f}"],
  ["text that is turned around", "\u202egpj.exe\u202c", "\\u{202e}gpj.exe\\u{202c}"],
  ["an isolate", "\u2066a\u2069", "\\u{2066}a\\u{2069}"],
  ["separators of lines and paragraphs", "\u2028\u2029", "\\u{2028}\\u{2029}"],
])("%s is shown and does nothing", (_what, text, plain) => {
  expect(plainText(text)).toBe(plain);
});

test("letters of any script stay", () => {
  expect(plainText("grüße 日本 עברית 😀 –…")).toBe("grüße 日本 עברית 😀 –…");
});

test("of several lines the line feeds stay, of a log line the tabs", () => {
  expect(plainLines("a\n\tb\u001b")).toBe("a\n\\u{9}b\\u{1b}");
  expect(plainLogLine("a\n\tb\u001b")).toBe("a\\u{a}\tb\\u{1b}");
});
