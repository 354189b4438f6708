import { DrawbridgeError } from "@drawbridge/errors";
import type { RunStatus } from "../state/run-status.ts";
import type { Finding } from "./check.ts";
import { failed } from "./check.ts";

/** What the control plane says to the agent that runs, and how its renewals go: from what it wrote down last. */
export function checkStanding(status: RunStatus | undefined): readonly Finding[] {
  if (status === undefined) {
    return [{ name: "control plane's answer", status: "skipped", detail: "the agent has not run yet" }];
  }
  const { tunnel, certificates } = status;
  const standing: Finding =
    tunnel.status === "refused"
      ? failed("control plane's answer", saying(tunnel.code ?? "REFUSED", tunnel.message ?? "it refuses this agent"))
      : { name: "control plane's answer", status: "ok", detail: `tunnel ${tunnel.status} since ${tunnel.since}` };
  const renewals = certificates.map(({ purpose, renewAt, lastFailure }): Finding => {
    const name = `renewal ${purpose}`;
    if (lastFailure === "") return { name, status: "ok", detail: `next at ${renewAt}` };
    return failed(name, saying(lastFailure, `the last attempt failed with ${lastFailure}; the agent goes on trying`));
  });
  return [standing, ...renewals];
}

function saying(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code, message });
}
