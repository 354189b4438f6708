import { z } from "zod";

const dataClasses = ["METADATA", "METRIC", "IDENTITY", "PAYLOAD"] as const;
/** How sensitive a field is (drawbridge.options.v1.DataClass). */
export type DataClass = (typeof dataClasses)[number];

/** Verbs of the agent, and programs beside it. */
const writers = ["run", "activate", "recover", "doctor", "collector", "gateway"] as const;
export type LedgerWriter = (typeof writers)[number];

const entrySchema = z.object({
  peer: z.string(),
  messageType: z.string(),
  messages: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  firstAt: z.string(),
  lastAt: z.string(),
  /** Path of a field that was ever set -> its data class. */
  shape: z.record(z.string(), z.enum(dataClasses)),
});

export type LedgerEntry = Readonly<z.output<typeof entrySchema>>;

/** One day of one writer. */
export const ledgerFileSchema = z.object({
  schemaVersion: z.literal(1),
  day: z.string(),
  writer: z.enum(writers),
  entries: z.array(entrySchema),
});

export type LedgerFile = z.output<typeof ledgerFileSchema>;
