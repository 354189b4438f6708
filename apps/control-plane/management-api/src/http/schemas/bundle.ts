import { z } from "zod";
import { bundleDigest, nullableInstant } from "./common.ts";

/** The largest bundle: 2 GiB. */
export const maxBundleBytes = 2 * 1024 ** 3;

export const bundleSchema = z
  .object({
    digest: bundleDigest,
    sizeBytes: z.int(),
    name: z.string().meta({ description: "App name in the manifest." }),
    version: z.string().meta({ description: "Version in the manifest." }),
    manifest: z.unknown(),
    storedAt: nullableInstant("When it was stored."),
  })
  .meta({ id: "Bundle", description: "A stored bundle." });
