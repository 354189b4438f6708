import { join } from "node:path";

/** Where everything is below the state folder (design R19). */
export interface StateLayout {
  readonly root: string;
  readonly identity: string;
  readonly monitoring: string;
  readonly trustBundle: string;
  readonly recoveryKey: string;
  readonly joinState: string;
  readonly desired: string;
  readonly apiConfiguration: string;
  readonly bundles: string;
  readonly downloads: string;
  readonly configurations: string;
  readonly registryLogin: string;
  readonly state: string;
  readonly runStatus: string;
  readonly renewOrder: string;
  readonly egress: string;
  readonly insightAllowance: string;
  readonly cluster: string;
  readonly lock: string;
  readonly reserve: string;
}

export function stateLayout(root: string): StateLayout {
  return {
    root,
    identity: join(root, "identity"),
    monitoring: join(root, "monitoring"),
    trustBundle: join(root, "trust", "bundle.json"),
    recoveryKey: join(root, "recovery", "key.pem"),
    joinState: join(root, "recovery", "join-state"),
    desired: join(root, "desired"),
    apiConfiguration: join(root, "desired", "api-configuration.json"),
    bundles: join(root, "bundles", "sha256"),
    downloads: join(root, "bundles", "downloads"),
    configurations: join(root, "configurations", "sha256"),
    registryLogin: join(root, "registry", "config.json"),
    state: join(root, "state.json"),
    runStatus: join(root, "run-status.json"),
    renewOrder: join(root, "renew-now"),
    egress: join(root, "egress"),
    insightAllowance: join(root, "insight-allowance.json"),
    cluster: join(root, "cluster"),
    lock: join(root, "run.lock"),
    reserve: join(root, "space-reserve"),
  };
}
