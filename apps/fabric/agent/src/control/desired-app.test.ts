import { AppSpec, DesiredState, Snapshot } from "@drawbridge/contracts/runtime/v1/app";
import { manifestSchema } from "@drawbridge/bundle";
import { expect, test } from "vitest";
import { snapshotFromPayload } from "../desired/snapshot-from-proto.ts";
import { desiredAppOf } from "./desired-app.ts";

const digest = `sha256:${"0".repeat(64)}`;

/** The time limit of a roll-out for a deployment with this strategy and a manifest of 300 seconds. */
function readyTimeoutOf(strategy: AppSpec["strategy"]): number | undefined {
  const spec = AppSpec.fromPartial({
    appId: "00000000-0000-4000-8000-000000000001",
    name: "shop",
    environment: "test",
    desiredState: DesiredState.DESIRED_STATE_RUNNING,
    replicas: 1,
    bundle: { digest, sizeBytes: 1n, path: `/v1/bundles/${digest}` },
    specDigest: digest,
    strategy,
  });
  const payload = JSON.stringify(
    Snapshot.toJSON(Snapshot.fromPartial({ fabricId: "f", complete: true, apps: [spec] })),
  );
  const [wish] = snapshotFromPayload(payload, digest).apps;
  if (wish === undefined) return undefined;
  const manifest = manifestSchema.parse({
    apiVersion: "drawbridge/v1",
    name: "shop",
    version: "1",
    runtime: { command: ["node", "."] },
    readiness: { path: "/", timeoutSeconds: 300 },
  });
  return desiredAppOf(wish, { directory: "/bundle", manifest }, undefined).strategy.readyTimeoutSeconds;
}

test.each([
  ["no strategy", undefined, 300],
  ["a strategy without the limit", { maxSurge: 2, readyTimeoutSeconds: 0, drainTimeoutSeconds: 5 }, 300],
  ["a limit of the deployment's own", { maxSurge: 2, readyTimeoutSeconds: 20, drainTimeoutSeconds: 5 }, 20],
])(
  "with %s the manifest's readiness.timeoutSeconds holds only where the deployment has none",
  (_what, strategy, seconds) => {
    expect(readyTimeoutOf(strategy)).toBe(seconds);
  },
);
