export { DrawbridgeError, isDrawbridgeError, type DrawbridgeErrorOptions } from "./drawbridge-error.ts";
export { errorKinds, type ErrorKind } from "./error-kind.ts";
export { toError } from "./to-error.ts";
