import type { TestStack } from "@drawbridge/local/testing";

/** A new version that the control plane has acknowledged. */
export interface Change {
  readonly version: string;
  /** More than one if the answer to a command was a failure: the operator then gives the same command again. */
  readonly attempts: number;
}

/** An operator who deploys one version after the other, and repeats a command until it is acknowledged. */
export function startChanging(stack: TestStack, name: string): { stop(): Promise<readonly Change[]> } {
  const changes: Change[] = [];
  const stopping = new AbortController();

  async function change(): Promise<void> {
    const version = `1.0.${changes.length + 1}`;
    const directory = await stack.hello({ version, name });
    for (let attempts = 1; ; attempts += 1) {
      const { exitCode } = await stack.stack.cli(["app", "deploy", directory, "--fabric", "local", "-o", "json"]);
      if (exitCode !== 0) continue;
      changes.push({ version, attempts });
      return;
    }
  }

  const working = (async () => {
    while (!stopping.signal.aborted) await change();
  })();
  return {
    stop: async () => {
      stopping.abort();
      await working;
      return changes;
    },
  };
}
