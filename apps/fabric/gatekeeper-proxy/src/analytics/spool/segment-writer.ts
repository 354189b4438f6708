import { writeSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { syncFolder } from "@drawbridge/durable-files";
import type { RecordHead } from "./segment-record.ts";
import { extend, type Segment } from "./segment.ts";

export type AppendedHead = Omit<RecordHead, "length" | "checksum">;

/** The segment that is written to. A record that could not be written as a whole is written over by the next one. */
export class SegmentWriter {
  #open: { readonly segment: Segment; readonly file: FileHandle } | undefined;
  #isUncommitted = false;

  get segment(): Segment | undefined {
    return this.#open?.segment;
  }

  get isUncommitted(): boolean {
    return this.#isUncommitted;
  }

  /** Whether there is a segment that has room for so many bytes. */
  takes(bytes: number, limit: number): boolean {
    return this.#open !== undefined && this.#open.segment.size + bytes <= limit;
  }

  /** There is none open. */
  async begin(segment: Segment, directory: string): Promise<void> {
    const file = await open(segment.path, "w", 0o600);
    try {
      await syncFolder(directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#open = { segment, file };
  }

  /** There is one open. */
  write(bytes: Buffer, head: AppendedHead): void {
    if (this.#open === undefined) throw new Error("no segment was begun");
    const { segment, file } = this.#open;
    for (let written = 0; written < bytes.length;) {
      written += writeSync(file.fd, bytes, written, bytes.length - written, segment.size + written);
    }
    segment.size += bytes.length;
    extend(segment, head);
    this.#isUncommitted = true;
  }

  /** True: there was something that was not on the disk. */
  async sync(): Promise<boolean> {
    if (!this.#isUncommitted || this.#open === undefined) return false;
    const { segment, file } = this.#open;
    this.#isUncommitted = false;
    try {
      await file.datasync();
    } finally {
      segment.committed = segment.size;
    }
    return true;
  }

  async seal(): Promise<void> {
    const file = this.#open?.file;
    this.#open = undefined;
    await file?.close();
  }
}
