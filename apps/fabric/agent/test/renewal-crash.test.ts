import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { bothRenewed, openDueWorld } from "./support/due-world.ts";
import { runAgentCommand } from "./support/run-command.ts";

const request = "next/renewal/request.json";

/** Where the agent is killed: [name, when, how often before, end of the path]. */
const steps = [
  ["(1, 2) the new key is on disk, the request is not", "after", 0, "identity/next/renewal/tls.key"],
  ["(2) the request is on disk, nothing was sent", "after", 0, `identity/${request}`],
  ["(3, 4) the answer is here, half of it is written", "after", 0, "identity/gen-2/tls.key"],
  ["(4) the new certificate is written, not noted", "after", 0, "identity/gen-2/meta.json"],
  ["(4) the new certificate is noted, not used", "after", 1, `identity/${request}`],
  ["(5, 6) the second tunnel was welcomed, the link names the old one", "before", 0, "identity/current"],
  ["(7) the link was switched", "after", 0, "identity/current"],
  ["(7) everything is done but tidying up", "before-removal", 0, "identity/next/renewal"],
  ["(7) half of the tidying up is done", "amid-removal", 0, "identity/next/renewal"],
  ["monitoring: the request is on disk", "after", 0, `monitoring/${request}`],
  ["monitoring: the new certificate is noted", "after", 1, `monitoring/${request}`],
  ["monitoring: the link was switched", "after", 0, "monitoring/current"],
] as const;

test.for(steps)(
  "killed with -9, the next process ends with the very certificate that was asked for: %s (R6)",
  async ([, when, times, end]) => {
    await using world = await openDueWorld();
    const { manager, fabric } = world;
    const before = await fabric.serials();
    const killed = await runAgentCommand([when, String(times), end, fabric.layout.root], {
      program: join(import.meta.dirname, "support/killed-agent.ts"),
    });
    expect(killed.signal).toBe("SIGKILL");
    const toldOf = manager.sessions.at(-1)?.serialNumber ?? "";
    // The control plane accepts the old certificate no more once it was shown the new one.
    if (toldOf !== before.tunnel) {
      manager.refuse = ({ serialNumber }) => (serialNumber === before.tunnel ? supersededCertificate() : undefined);
    }
    const agent = await fabric.startAgent();
    await bothRenewed(agent, before);
    const after = await fabric.serials();
    expect(manager.renewals.issued).toHaveLength(2);
    expect(manager.renewals.issued.toSorted()).toEqual([after.tunnel, after.monitoring].toSorted());
    expect(manager.sessions.at(-1)?.serialNumber).toBe(after.tunnel);
    for (const kind of ["identity", "monitoring"] as const)
      await expect.poll(() => readdir(join(fabric.layout[kind], "next"))).toEqual([]);
  },
);

function supersededCertificate(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "CERTIFICATE_REVOKED",
    message: "superseded",
    details: { reason: "superseded" },
  });
}
