import { DrawbridgeError } from "@drawbridge/errors";

/** Something is missing that this login may not make: `provisionBus` has not run, or ran for another version of us. */
export function notProvisioned(what: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "BUS_NOT_PROVISIONED",
    message: `${what} is missing or out of date, and this login may not make it: run the provisioning of NATS again`,
    cause,
  });
}
