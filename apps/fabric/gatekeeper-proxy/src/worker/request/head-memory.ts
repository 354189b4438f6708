import { readFields, type FieldRules, type FieldsProblem, type RequestFields } from "./read-fields.ts";

/** Heads of more characters are read anew each time: 20,000 connections keep 80 MB at most. */
const longestKept = 4_096;

const nothing: readonly string[] = [];

/**
 * What was made of the last head of a client's connection: most clients send the same fields again and again. Each field is
 * compared with what it was, so that nothing is taken for something else; a request with the same fields gets the very texts
 * of the one before, which are equal to what was kept of them elsewhere (tokens, contracts) without a look at their characters.
 */
export class HeadMemory {
  #raw: readonly string[] = nothing;
  #isOld = false;
  #read: RequestFields | undefined = undefined;
  #written: readonly string[] = nothing;
  #host = "";
  #forwardedLines = "";
  #lines = "";
  #areLinesFlat = false;

  /** The same as `readFields`; `fields` is the caller's own. */
  readFields(raw: readonly string[], rules: FieldRules): RequestFields | FieldsProblem {
    const known = this.#read;
    if (known !== undefined && this.#isOld === rules.isOld && areSame(raw, this.#raw)) {
      return { ...known, fields: known.fields.slice() };
    }
    const read = readFields(raw, rules);
    if (typeof read === "string" || lengthOf(raw) > longestKept) {
      this.#read = undefined;
      this.#raw = nothing;
      return read;
    }
    this.#raw = raw;
    this.#isOld = rules.isOld;
    this.#read = { ...read, fields: read.fields.slice() };
    return read;
  }

  /** What a replica is told, but for the request's id: "name: value" and a line end for each field. */
  linesOf(fields: readonly string[], host: string, forwardedLines: string): string {
    if (this.#host === host && this.#forwardedLines === forwardedLines && areSame(fields, this.#written)) {
      if (!this.#areLinesFlat) {
        // What was joined stays a tree of its parts, which every writer would walk again.
        this.#lines = Buffer.from(this.#lines, "latin1").toString("latin1");
        this.#areLinesFlat = true;
      }
      return this.#lines;
    }
    let lines = `host: ${host}\r\n`;
    for (let index = 0; index + 1 < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
    lines += `${forwardedLines}x-forwarded-host: ${host}\r\n`;
    const isKept = lines.length <= longestKept;
    this.#written = isKept ? fields.slice() : nothing;
    this.#host = isKept ? host : "";
    this.#forwardedLines = forwardedLines;
    this.#lines = isKept ? lines : "";
    this.#areLinesFlat = false;
    return lines;
  }
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false;
  // From the end: what changes with each request (ids of traces) was mostly added last.
  for (let index = some.length - 1; index >= 0; index -= 1) if (some[index] !== others[index]) return false;
  return true;
}

function lengthOf(texts: readonly string[]): number {
  let length = 0;
  for (const text of texts) length += text.length;
  return length;
}
