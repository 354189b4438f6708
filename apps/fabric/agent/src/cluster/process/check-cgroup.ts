import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "@drawbridge/app-routes";
import { DrawbridgeError } from "@drawbridge/errors";

const wanted = ["memory", "cpu"] as const;

/**
 * Make sure that children of a cgroup v2 folder can have limits of memory and CPU; switches the controllers on for them where that
 * is allowed. Also before each replica, so that a limit that was asked for is never silently left out.
 *
 * @throws DrawbridgeError `CGROUP_UNUSABLE` (failed_precondition)
 */
export function assertCgroupParent(parent: string): string {
  const available = readList(parent, "cgroup.controllers");
  const absent = wanted.filter((controller) => !available.includes(controller));
  if (absent.length > 0)
    throw unusable(
      parent,
      `it has no ${absent.join(" and no ")} controller`,
      "Delegate it (systemd: Delegate=yes), or boot with cgroup v2 alone.",
    );
  const missing = wanted.filter((controller) => !readList(parent, "cgroup.subtree_control").includes(controller));
  try {
    accessSync(parent, constants.W_OK);
    if (missing.length > 0)
      writeFileSync(join(parent, "cgroup.subtree_control"), missing.map((name) => `+${name}`).join(" "), {
        flag: "r+",
      });
  } catch (error) {
    const code = errorCode(error) ?? "unknown";
    // EBUSY: the kernel's rule of no processes beside children.
    const fix =
      code === "EBUSY"
        ? "Processes are in it: keep them in a child of it (systemd: DelegateSubgroup=agent)."
        : "Give the folder to the agent's user.";
    throw unusable(parent, `the agent may not make limited children in it (${code})`, fix);
  }
  const off = wanted.filter((controller) => !readList(parent, "cgroup.subtree_control").includes(controller));
  if (off.length > 0)
    throw unusable(parent, `${off.join(" and ")} cannot be switched on for its children`, "Delegate it.");
  return `the kernel keeps the limits of memory and CPU, below ${parent}`;
}

function readList(parent: string, file: string): readonly string[] {
  try {
    return readFileSync(join(parent, file), "utf8").split(/\s+/).filter(Boolean);
  } catch (error) {
    throw unusable(
      parent,
      `it is no cgroup v2 folder (${errorCode(error) ?? "unknown"})`,
      "Name one below the mount of cgroup2.",
    );
  }
}

function unusable(parent: string, why: string, fix: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "CGROUP_UNUSABLE",
    message: `DRAWBRIDGE_CGROUP_PARENT ${parent} cannot be used: ${why}. ${fix}`,
    details: { reason: "CgroupUnusable", path: parent },
  });
}
