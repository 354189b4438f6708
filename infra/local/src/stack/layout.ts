import { join, resolve } from "node:path";

/** Where everything of one stack lies. */
export interface StackLayout {
  readonly root: string;
  /** Port base and fabric of this stack, so that a second start resumes with the same. */
  readonly stackFile: string;
  readonly postgres: string;
  readonly nats: string;
  readonly logs: string;
  readonly secrets: string;
  readonly bundles: string;
  /** Requests that gateways reported. */
  readonly analytics: string;
  /** Metrics of apps. */
  readonly monitoring: string;
  /** Receivers of alerts, and rules of the operator's own; followed while the stack runs. */
  readonly alertRules: string;
  readonly agent: string;
  /** One folder per service: tls.crt, tls.key, trust-bundle.json. */
  readonly identities: string;
  /** The CLI's own configuration folder. */
  readonly cli: string;
  /** Spans of every process, JSON lines. */
  readonly traces: string;
  envFile(service: string): string;
  logFile(process: string): string;
  identity(service: string): string;
  secret(name: string): string;
}

export function stackLayout(stateDir: string): StackLayout {
  const root = resolve(stateDir);
  return {
    root,
    stackFile: join(root, "stack.json"),
    postgres: join(root, "postgres"),
    nats: join(root, "nats"),
    logs: join(root, "logs"),
    secrets: join(root, "secrets"),
    bundles: join(root, "bundles"),
    analytics: join(root, "analytics"),
    monitoring: join(root, "monitoring"),
    alertRules: join(root, "alerting.yaml"),
    agent: join(root, "agent"),
    identities: join(root, "identities"),
    cli: join(root, "cli"),
    traces: join(root, "traces"),
    envFile: (service) => join(root, "env", `${service}.env`),
    logFile: (process) => join(root, "logs", `${process}.log`),
    identity: (service) => join(root, "identities", service),
    secret: (name) => join(root, "secrets", name),
  };
}
