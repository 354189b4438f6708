import { DrawbridgeError } from "@drawbridge/errors";
import { runCommand } from "../run-command.ts";
import { parseVersion } from "../version.ts";

/** A NATS server that can be used or started. */
export type NatsServer =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "binary"; readonly command: string; readonly version: string; readonly foundBy: string }
  | { readonly kind: "docker"; readonly image: string; readonly version: string };

/** The version that we build where nothing newer is at hand. */
export const pinnedNatsVersion = "2.15.2";
/** `sync_interval: always` came with 2.10: before, an acknowledged message can be lost in a power cut. */
export const oldestNatsVersion = "2.10";

/** The binary's version, or undefined when it does not run here. */
export async function binaryVersion(command: string): Promise<string | undefined> {
  const result = await runCommand(command, ["--version"], { timeoutMs: 10_000 }).catch(() => undefined);
  if (result?.outcome !== "exited" || result.exitCode !== 0) return undefined;
  return parseVersion(result.stdout);
}

export function natsMissing(reasons: readonly string[]): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "LOCAL_NATS_MISSING",
    message:
      `no NATS server was found, and none could be installed:\n${reasons.map((reason) => `  - ${reason}`).join("\n")}\n` +
      `Do one of these: put nats-server ${oldestNatsVersion} or later on the PATH (https://github.com/nats-io/nats-server/releases), ` +
      `install Go, "docker pull nats:${pinnedNatsVersion}", or give the URL of a running server.`,
  });
}
