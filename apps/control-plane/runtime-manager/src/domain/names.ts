import { DrawbridgeError } from "@drawbridge/errors";

/** A DNS label (RFC 1123 2.1): what a Kubernetes object, a host name and a path can all carry. */
const labelPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export type NameCode = "APP_NAME_INVALID" | "FABRIC_NAME_INVALID" | "ENVIRONMENT_NAME_INVALID" | "ORG_NAME_INVALID";

const nouns: Record<NameCode, string> = {
  APP_NAME_INVALID: "app name",
  FABRIC_NAME_INVALID: "fabric name",
  ENVIRONMENT_NAME_INVALID: "environment name",
  ORG_NAME_INVALID: "organisation",
};

/** @throws DrawbridgeError with the given code (invalid_argument) */
export function assertName(name: string, code: NameCode): void {
  if (labelPattern.test(name)) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code,
    message: `the ${nouns[code]} must be 1 to 63 of a-z, 0-9 and "-", starting and ending with a letter or digit`,
  });
}
