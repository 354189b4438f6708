/**
 * Settings of glibc's allocator that runtime-manager is to run with (its README says so; the local stack sets
 * them). Node gives every TLS connection a read buffer of 64 KiB, of which a tunnel touches one page. In the ordinary
 * heap that buffer is memory that something else has touched before; mapped by itself (from 16 KiB on) the rest of it stays
 * with the system. One arena and an early trim give back what a herd of handshakes leaves behind. Other C libraries ignore them.
 */
export const allocatorSettings = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "16384",
  MALLOC_TRIM_THRESHOLD_: "131072",
  MALLOC_TOP_PAD_: "0",
} as const;
