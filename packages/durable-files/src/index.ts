export { syncFolder, temporaryMark, writeDurably, writeWhole, type WriteOptions } from "./write-durably.ts";
