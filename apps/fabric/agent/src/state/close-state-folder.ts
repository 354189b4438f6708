import { chmod, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { stateLayout } from "./state-layout.ts";

/**
 * Make the state folder and see to it that everything in it is the agent's alone, whatever somebody did to it. With
 * `passage: "open"` users that apps run as may pass through it to the cluster driver's folder; they can list and read nothing.
 */
export async function closeStateFolder(root: string, passage: "open" | "closed"): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const { cluster } = stateLayout(root);
  if (passage === "open") await mkdir(cluster, { recursive: true });
  for (const entry of await readdir(root, { withFileTypes: true })) {
    const path = join(root, entry.name);
    if (path === cluster) continue;
    if (entry.isDirectory()) await chmod(path, 0o700);
    else if (entry.isFile()) await chmod(path, 0o600);
  }
  if (passage === "closed") return; // left as it is: an app of earlier settings may still need it
  await chmod(root, 0o711);
  await chmod(cluster, 0o711);
}
