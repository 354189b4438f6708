import { expect, test } from "vitest";
import { createOutput } from "./output.ts";

const hostile = "shop\u001b[2J\r\n\u202e";
const escaped = "shop\\u{1b}[2J\\u{d}\\u{a}\\u{202e}";

function written(format: "table" | "json", isTTY: boolean) {
  const texts = { stdout: "", stderr: "" };
  const output = createOutput(
    format,
    { isTTY, columns: 80, write: (text) => void (texts.stdout += text) },
    { isTTY: false, write: (text) => void (texts.stderr += text) },
  );
  return { output, texts };
}

test("text of strangers is escaped wherever people read it, and our own lines stay lines", () => {
  const { output, texts } = written("table", true);
  output.list([{ title: "NAME", value: (name: string) => name }], [hostile], { empty: "" });
  output.table([{ title: "NAME", value: (name: string) => name }], [hostile]);
  output.fields([[hostile, hostile]], undefined);
  output.text(hostile);
  output.text(["", hostile]);
  output.note(hostile);
  output.done([hostile, "second"], undefined);
  output.progress(hostile);
  output.list([], [], { empty: hostile });
  expect(texts).toEqual({
    stdout: `NAME\n${escaped}\n\nNAME\n${escaped}\n${escaped}:  ${escaped}\n${escaped}\n\n${escaped}\n`,
    stderr: `${escaped}\n${escaped}\nsecond\n${escaped}\n${escaped}\n`,
  });
});

test("a document is exact in a pipe, and keeps its lines on a terminal", () => {
  const document = "a:\n\tb\u001b";
  const pipe = written("table", false);
  pipe.output.document(document);
  expect(pipe.texts.stdout).toBe(`${document}\n`);
  const terminal = written("table", true);
  terminal.output.document(document);
  expect(terminal.texts.stdout).toBe("a:\n\\u{9}b\\u{1b}\n");
});

test("json has every character as it came", () => {
  const { output, texts } = written("json", true);
  output.list([{ title: "NAME", value: (name: string) => name }], [hostile], { empty: "" });
  expect(JSON.parse(texts.stdout)).toEqual([hostile]);
});
