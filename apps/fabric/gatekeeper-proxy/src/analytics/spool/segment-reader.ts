import { open, type FileHandle } from "node:fs/promises";
import { findRecord, readRecord, type SegmentRecord } from "./segment-record.ts";
import type { Segment } from "./segment.ts";

/** Reads one record at a time, of one segment after the other. */
export class SegmentReader {
  #open: { readonly segment: Segment; readonly file: FileHandle } | undefined;

  /** The record at this place or the next one that can be read; the segment is damaged then. */
  async read(segment: Segment, offset: number): Promise<SegmentRecord | undefined> {
    try {
      const { fd } = await this.#fileOf(segment);
      const record = readRecord(fd, offset, segment.committed);
      if (record !== undefined) return record;
      segment.isDamaged = true;
      return findRecord(fd, offset + 1, segment.committed);
    } catch {
      segment.isDamaged = true; // gone, or a disk that cannot be read
      return undefined;
    }
  }

  /** If it is this one that is open. */
  async close(segment = this.#open?.segment): Promise<void> {
    if (this.#open === undefined || this.#open.segment !== segment) return;
    const { file } = this.#open;
    this.#open = undefined;
    await file.close();
  }

  async #fileOf(segment: Segment): Promise<FileHandle> {
    if (this.#open?.segment === segment) return this.#open.file;
    await this.close();
    const file = await open(segment.path, "r");
    this.#open = { segment, file };
    return file;
  }
}
