import type { TestStack } from "@drawbridge/local/testing";

/** A listener that takes client certificates. */
export interface Listener {
  readonly name: string;
  readonly port: number;
  /** Whom it says it is. */
  readonly server: string;
  readonly protocol: "h2" | "http/1.1";
}

/** Every mTLS listener of the control plane: those that fabrics reach, and those between the services. */
export function listenersOf({ stack: { ports } }: TestStack): readonly Listener[] {
  const { internal } = ports;
  const listener = (name: string, port: number, server: string, protocol: Listener["protocol"]): Listener => ({
    name,
    port,
    server,
    protocol,
  });
  return [
    listener("tunnel", ports.tunnel, "runtime-manager", "h2"),
    listener("config-resolver for fabrics", ports.configResolver, "config-resolver", "http/1.1"),
    listener("monitoring-ingest for collectors", ports.monitoringIngest, "monitoring-ingest", "http/1.1"),
    listener("activation, internal", internal.activation, "activation", "h2"),
    listener("runtime-manager, internal", internal.runtimeManager, "runtime-manager", "h2"),
    listener("config-resolver, internal", internal.configResolver, "config-resolver", "h2"),
    listener("bundle upload, internal", ports.bundleUpload, "config-resolver", "http/1.1"),
    listener("api-manager, internal", internal.apiManager, "api-manager", "h2"),
    listener("monitoring-ingest, internal", internal.monitoringIngest, "monitoring-ingest", "h2"),
    listener("analytics-ingest, internal", internal.analyticsIngest, "analytics-ingest", "h2"),
    listener("alerting, internal", internal.alerting, "alerting", "h2"),
    listener("cert-authority, internal", internal.certAuthority, "cert-authority", "h2"),
  ];
}
