import type { Settings } from "./statement.ts";

/**
 * What makes the repetition of an insert harmless. The views must be on the list: without it a part that was written
 * before a crash keeps the repetition from the views, which had not got it yet.
 */
export function insertSettings(token: string): Settings {
  return {
    insert_deduplicate: 1,
    insert_deduplication_token: token,
    deduplicate_blocks_in_dependent_materialized_views: 1,
    async_insert: 0,
    // What a view has grouped needs no second pass over it: a quarter of the CPU of an insert with five of them. Equal rows of
    // different inserts are brought together by merges, as ever.
    optimize_on_insert: 0,
    // One thread, and blocks larger than any file: the same file always makes the same blocks.
    max_insert_threads: 1,
    max_insert_block_size: rowsOfOneBlock,
    min_insert_block_size_rows: rowsOfOneBlock,
    min_insert_block_size_bytes: bytesOfOneBlock,
    // A file that spans a bad clock's days is inserted all the same.
    max_partitions_per_insert_block: 1_000,
  };
}

const rowsOfOneBlock = 16_777_216;
const bytesOfOneBlock = 4_294_967_296;
