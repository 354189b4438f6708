import {
  ActivationTokenServiceClient,
  type ActivationTokenServiceService,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import {
  ConfigurationServiceClient,
  type ConfigurationServiceService,
} from "@drawbridge/contracts/config/v1/configuration_service";
import { AppServiceClient, type AppServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { FabricServiceClient, type FabricServiceService } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { Component } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient, type GrpcCalls } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import { withPeerRules } from "./peer.ts";

export type AppCalls = GrpcCalls<AppServiceService>;
export type FabricCalls = GrpcCalls<FabricServiceService>;
export type FabricTokenCalls = GrpcCalls<ActivationTokenServiceService>;
export type ConfigurationCalls = GrpcCalls<ConfigurationServiceService>;

/** The other services of the control plane, as calls. */
export interface Peers {
  readonly apps: AppCalls;
  readonly fabrics: FabricCalls;
  readonly fabricTokens: FabricTokenCalls;
  readonly configuration: ConfigurationCalls;
  readonly components: readonly Component[];
}

export interface PeersOptions {
  readonly identity: IdentityHolder;
  readonly logger: Logger;
  readonly addresses: {
    readonly runtimeManager: string;
    readonly activation: string;
    readonly configResolver: string;
  };
}

/** A page of apps carries their manifests, a configuration may have 1 MiB. */
const maxMessageBytes = 16 * 1024 * 1024;

export function createPeers({ identity, logger, addresses }: PeersOptions): Peers {
  const common = { identity, logger, maxMessageBytes };
  const runtimeManager = { ...common, address: addresses.runtimeManager, expectedServer: "/cp/runtime-manager" };
  const apps = createGrpcClient(AppServiceClient, runtimeManager);
  const fabrics = createGrpcClient(FabricServiceClient, runtimeManager);
  const fabricTokens = createGrpcClient(ActivationTokenServiceClient, {
    ...common,
    address: addresses.activation,
    expectedServer: "/cp/activation",
  });
  const configuration = createGrpcClient(ConfigurationServiceClient, {
    ...common,
    address: addresses.configResolver,
    expectedServer: "/cp/config-resolver",
  });
  return {
    apps: withPeerRules("runtime-manager", apps.call),
    fabrics: withPeerRules("runtime-manager", fabrics.call),
    fabricTokens: withPeerRules("activation", fabricTokens.call),
    configuration: withPeerRules("config-resolver", configuration.call),
    components: [apps, fabrics, fabricTokens, configuration],
  };
}
