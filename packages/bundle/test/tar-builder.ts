import { createHash } from "node:crypto";
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { removeUnpackedBundle } from "../src/index.ts";

export interface RawEntry {
  readonly name: string;
  /** "0" file, "1" hard link, "2" symbolic link, "3" and "4" devices, "5" directory, "6" fifo, "x" pax header. */
  readonly type?: string;
  readonly content?: string | Buffer;
  readonly linkTarget?: string;
  readonly mode?: number;
  /** Instead of the real size. */
  readonly claimedSize?: number;
}

/** A tar header and its content, byte by byte (POSIX ustar), so that it can say what no packer would. */
export function rawEntry(entry: RawEntry): Buffer {
  const content = Buffer.from(entry.content ?? "");
  const header = Buffer.alloc(512);
  const octal = (value: number, offset: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, "latin1");
  header.write(entry.name, 0, 100, "utf8");
  octal(entry.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(entry.claimedSize ?? content.byteLength, 124, 12);
  octal(0, 136, 12);
  header.write("        ", 148, "latin1");
  header.write(entry.type ?? "0", 156, "latin1");
  header.write(entry.linkTarget ?? "", 157, 100, "utf8");
  header.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.byteLength % 512)) % 512)]);
}

/** An entry whose path or link target comes from a pax record. */
export function paxEntry(records: Readonly<Record<string, string>>, entry: RawEntry): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const length = Buffer.byteLength(rest);
    const digits = String(length + String(length + 2).length).length;
    return `${length + digits}${rest}`;
  });
  return Buffer.concat([rawEntry({ name: "PaxHeader", type: "x", content: lines.join("") }), rawEntry(entry)]);
}

export const manifestText = `apiVersion: drawbridge/v1\nname: sample\nversion: "1.0.0"\nruntime: { command: ["node", "server.mjs"] }\n`;

export interface TestArchive {
  readonly bytes: Buffer;
  readonly digest: string;
}

/** A .tgz of a good manifest and then the given entries. */
export function archiveOf(...entries: readonly Buffer[]): TestArchive {
  return gzipped(
    Buffer.concat([rawEntry({ name: "drawbridge.yaml", content: manifestText }), ...entries, Buffer.alloc(1024)]),
  );
}

export function gzipped(tar: Buffer): TestArchive {
  return asArchive(gzipSync(tar));
}

export function asArchive(bytes: Buffer): TestArchive {
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

/** In pieces of an odd size, as a network brings them. */
export async function* inPieces(bytes: Buffer, pieceBytes = 1_009): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** A folder for one test, removed with all that is in it, also read-only bundles. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "bundle-test-")));
  return { path, [Symbol.asyncDispose]: () => removeUnpackedBundle(path) };
}
