import { createHash } from "node:crypto";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import { createJsonFile } from "../state/json-file.ts";

/** A root of what gateways enforce. */
export interface ApiConfigurationRoot {
  /** "sha256:<hex>" over the payload. */
  readonly digest: string;
  readonly jws: string;
}

const schema = z.object({ schemaVersion: z.literal(1), digest: z.string(), jws: z.string() });

/** The last root, on disk: a gateway that starts while the tunnel is down learns what was wanted last. */
export interface RootStore {
  /** undefined where there is none, or none that is what its digest says. */
  load(): Promise<ApiConfigurationRoot | undefined>;
  save(root: ApiConfigurationRoot): Promise<void>;
}

export function createRootStore(options: {
  readonly path: string;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}): RootStore {
  const file = createJsonFile({ ...options, schema });
  return {
    load: async () => {
      const stored = await file.read();
      if (stored === undefined || digestOfRoot(stored.jws) !== stored.digest) return undefined;
      return { digest: stored.digest, jws: stored.jws };
    },
    save: ({ digest, jws }) => file.write({ schemaVersion: 1, digest, jws }),
  };
}

export function digestOfRoot(jws: string): string {
  const payload = Buffer.from(jws.split(".")[1] ?? "", "base64url");
  return `sha256:${createHash("sha256").update(payload).digest("hex")}`;
}
