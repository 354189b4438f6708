import { DrawbridgeError } from "@drawbridge/errors";
import { resolveLevel, type LevelOrigin } from "@drawbridge/policies/gatekeeper-level";
import { z } from "zod";

/** What is set for an app's gates, wherever; "" where nothing is. */
export interface GatekeeperValues {
  readonly app: string;
  readonly environment: string;
  readonly fabric: string;
}

export interface NearestGatekeeper {
  readonly value: string;
  /** "" where nothing is set. */
  readonly source: LevelOrigin | "";
}

/** The nearest that is set (GK 7). */
export function nearestGatekeeper({ app, environment, fabric }: GatekeeperValues): NearestGatekeeper {
  if (app !== "") return { value: app, source: "app" };
  if (environment !== "") return { value: environment, source: "environment" };
  return fabric === "" ? { value: "", source: "" } : { value: fabric, source: "fabric" };
}

const manifestSchema = z.object({
  runtime: z.object({ runtimeVersion: z.string().optional() }).optional(),
  apis: z.array(z.unknown()).optional(),
});

/**
 * Is what counts for the app valid for the runtime version of its manifest? An app without APIs has no gates: only what is
 * said of it itself is looked at.
 * @throws DrawbridgeError `GATEKEEPER_INVALID` (invalid_argument)
 */
export function assertGatekeeper(
  values: GatekeeperValues,
  app: { readonly name: string; readonly manifestJson: string },
): void {
  const { value, source } = nearestGatekeeper(values);
  const { data } = manifestSchema.safeParse(app.manifestJson === "" ? {} : JSON.parse(app.manifestJson));
  const isTracked = (data?.apis?.length ?? 0) > 0;
  if (value === "" || source === "" || (source !== "app" && !isTracked)) return;
  const resolved = resolveLevel(data?.runtime?.runtimeVersion, value, source);
  if ("error" in resolved) throw gatekeeperInvalid(`${app.name}: ${resolved.error} (set for the ${source})`);
}

export function gatekeeperInvalid(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "GATEKEEPER_INVALID", message });
}
