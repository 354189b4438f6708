import { DrawbridgeError } from "@drawbridge/errors";

/** Default of the first port; every other port of the stack follows from it. */
export const defaultPortBase = 7400;

/** Ports of one stack, all on 127.0.0.1. The numbers for base 7400 are those of docs/architecture.md. */
export interface StackPorts {
  readonly base: number;
  /** REST for operators. */
  readonly managementApi: number;
  /** One-way TLS, gRPC. */
  readonly activation: number;
  /** mTLS, gRPC. */
  readonly tunnel: number;
  /** mTLS, HTTPS. */
  readonly configResolver: number;
  /** mTLS, HTTPS, for the monitoring collector. */
  readonly monitoringIngest: number;
  /** One-way TLS, HTTPS, for gateways. */
  readonly analyticsIngest: number;
  /** Trust bundle and CRL. */
  readonly certAuthority: number;
  /** Internal mTLS gRPC by service. */
  readonly internal: {
    readonly activation: number;
    readonly runtimeManager: number;
    readonly configResolver: number;
    readonly monitoringIngest: number;
    readonly analyticsIngest: number;
    readonly certAuthority: number;
    readonly apiManager: number;
    readonly alerting: number;
  };
  /** Bundle upload from management-api. */
  readonly bundleUpload: number;
  /** /livez, /readyz, /metrics by service. */
  readonly ops: {
    readonly managementApi: number;
    readonly activation: number;
    readonly runtimeManager: number;
    readonly configResolver: number;
    readonly monitoringIngest: number;
    readonly analyticsIngest: number;
    readonly certAuthority: number;
    readonly apiManager: number;
    readonly alerting: number;
    readonly agent: number;
    readonly monitoringCollector: number;
  };
  readonly postgres: number;
  readonly nats: number;
  /** First and last port that the agent may give to apps. */
  readonly apps: readonly [number, number];
}

/** A stack takes the ports base … base + 599. */
export const portsPerStack = 600;

/** @throws DrawbridgeError `PORT_BASE_INVALID` (invalid_argument) */
export function stackPorts(base: number = defaultPortBase): StackPorts {
  if (!Number.isInteger(base) || base < 1024 || base + portsPerStack > 65_535) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "PORT_BASE_INVALID",
      message: `the port base ${base} is not usable: give a whole number from 1024 to ${65_535 - portsPerStack}; a stack takes the ${portsPerStack} ports from there`,
    });
  }
  return {
    base,
    managementApi: base,
    activation: base + 10,
    tunnel: base + 20,
    configResolver: base + 30,
    monitoringIngest: base + 40,
    analyticsIngest: base + 50,
    certAuthority: base + 60,
    internal: {
      activation: base + 110,
      runtimeManager: base + 120,
      configResolver: base + 130,
      monitoringIngest: base + 140,
      analyticsIngest: base + 150,
      certAuthority: base + 160,
      apiManager: base + 170,
      alerting: base + 180,
    },
    bundleUpload: base + 131,
    ops: {
      managementApi: base + 200,
      activation: base + 210,
      runtimeManager: base + 220,
      configResolver: base + 230,
      monitoringIngest: base + 240,
      analyticsIngest: base + 250,
      certAuthority: base + 260,
      apiManager: base + 270,
      alerting: base + 280,
      agent: base + 290,
      monitoringCollector: base + 291,
    },
    postgres: base + 300,
    nats: base + 301,
    apps: [base + 400, base + 499],
  };
}
