import { z } from "zod";

const entrySchema = z.object({
  peer: z.string(),
  messageType: z.string(),
  messages: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  firstAt: z.string(),
  lastAt: z.string(),
  /** Path of a field that was ever set -> its data class. */
  shape: z.record(z.string(), z.enum(["METADATA", "METRIC", "IDENTITY", "PAYLOAD"])),
});

export type LedgerEntry = Readonly<z.output<typeof entrySchema>>;

/** One day of one writer. */
export const ledgerFileSchema = z.object({
  schemaVersion: z.literal(1),
  day: z.string(),
  writer: z.enum(["run", "activate", "recover", "doctor"]),
  entries: z.array(entrySchema),
});

export type LedgerFile = z.output<typeof ledgerFileSchema>;
