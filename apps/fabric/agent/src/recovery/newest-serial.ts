import type { IdentityStore } from "../identity/identity-store.ts";
import { readdirIfPresent } from "../state/atomic-file.ts";

const generationPattern = /^gen-(\d+)$/;

/**
 * Serial number of the newest tunnel certificate that this state folder holds, in use or not yet: the control plane may have been
 * told of one that we did not switch to any more. What an interrupted recovery left, under the key that it will use again, does not
 * count: its answer is asked for anew.
 */
export async function newestSerial(options: {
  readonly directory: string;
  readonly identities: Pick<IdentityStore, "read">;
  readonly isRecoveryKey: (privateKeyPem: string) => boolean;
}): Promise<string> {
  const names = await readdirIfPresent(options.directory);
  const generations = names.flatMap((name) => generationPattern.exec(name)?.[1] ?? []).map(Number);
  for (const generation of generations.toSorted((a, b) => b - a)) {
    const stored = await options.identities.read(generation);
    if (stored && !options.isRecoveryKey(stored.privateKeyPem)) return stored.meta.serialNumber;
  }
  return "";
}
