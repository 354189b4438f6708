import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trustBundleToJson } from "@drawbridge/pki";
import { tempDir, type TestCa } from "@drawbridge/testkit";
import { createClusterFiles, type ClusterFiles } from "./cluster-files.ts";

/** What an agent keeps on disk, with a cluster in it. */
export interface FabricFolder extends ClusterFiles {
  readonly stateDir: string;
  readonly fabricId: string;
  /** As the agent does with each renewal; the serial number. */
  installCertificate(): Promise<string>;
}

export async function createFabricFolder(ca: TestCa): Promise<FabricFolder> {
  const folder = await tempDir();
  const fabricId = randomUUID();
  const cluster = createClusterFiles(folder.path);
  let generation = 0;
  return {
    ...cluster,
    stateDir: folder.path,
    fabricId,
    installCertificate: async () => {
      generation += 1;
      const identity = await ca.issueCollector({ org: "acme", fabricId });
      const directory = join(folder.path, "monitoring", `gen-${generation}`);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, "tls.key"), identity.privateKeyPem);
      writeFileSync(join(directory, "tls.crt"), identity.certificateChainPem);
      mkdirSync(join(folder.path, "trust"), { recursive: true });
      writeFileSync(join(folder.path, "trust", "bundle.json"), trustBundleToJson(ca.trustBundle));
      symlinkSync(`gen-${generation}`, join(folder.path, "monitoring", "next"));
      renameSync(join(folder.path, "monitoring", "next"), join(folder.path, "monitoring", "current"));
      return identity.serialNumber;
    },
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
