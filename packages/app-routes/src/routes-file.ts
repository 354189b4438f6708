import { join } from "node:path";
import { decodeStateFile } from "./decode-state-file.ts";
import { jsonFields, type JsonFields } from "./json-fields.ts";
import { writeStateFile } from "./state-file.ts";

/** Written by the driver: the apps that the gateway serves. */
export interface Routes {
  /** Grows with every change. */
  readonly sequence: number;
  readonly apps: readonly AppRoute[];
  /** Ports that all apps with hosts share; absent: none is open. */
  readonly shared?: SharedPorts | undefined;
}

/** Settings of the fabric's operator. */
export interface SharedPorts {
  readonly http: PortAddress | undefined;
  readonly https: (PortAddress & CertificateSource) | undefined;
}

export interface PortAddress {
  readonly address: string;
  readonly port: number;
}

/** Where the keys of an HTTPS port are; they are read there and go nowhere. */
export interface CertificateSource {
  /** With a folder for each certificate that holds `tls.crt` and `tls.key`, as a Kubernetes secret is mounted. */
  readonly certificatesDirectory: string;
  /** Name of the folder of the certificate for clients that name no host, or one that no certificate has. */
  readonly defaultCertificate: string | undefined;
}

/** What an app is served at on shared ports. */
export interface HostPath {
  /** Lower case; "*.example.com" for one label in front. */
  readonly host: string;
  /** "/" or "/orders": this path and what is below. */
  readonly path: string;
}

export interface AppRoute {
  readonly appId: string;
  readonly appName: string;
  readonly environment: string;
  /** Where the gateway listens for it. */
  readonly address: string;
  readonly port: number;
  /** On the shared ports; absent: it is not served there. */
  readonly hosts?: readonly HostPath[] | undefined;
  readonly endpointsPath: string;
  /** Folder of the replicas' unit folders. */
  readonly replicasDirectory: string;
  /** Where the gateway says how it serves it, as a `FrontStatus`. */
  readonly statusPath: string;
}

/** Folder of all that driver, agent and gateway share, under the driver's state folder. */
export function gatewayDirectory(stateDirectory: string): string {
  return join(stateDirectory, "gateway");
}

/** What is in that folder. */
export function gatewayPaths(directory: string) {
  return {
    directory,
    routes: join(directory, "routes.json"),
    /** The agent serves GatewayService on it. */
    feedSocket: join(directory, "feed.sock"),
    /** Unit folders of gateway processes, by unit id. */
    units: join(directory, "units"),
    /** The gateway's own: what it enforces, kept over restarts. */
    cache: join(directory, "cache"),
  } as const;
}

export const writeRoutes = (path: string, routes: Routes): void => writeStateFile(path, routes);

/** `undefined` while there are none, or while they are being overwritten on a full disk. */
export function readRoutes(path: string): Routes | undefined {
  return decodeStateFile(path, (json) => ({
    sequence: json.number("sequence"),
    apps: json.list("apps", appRouteFrom),
    shared: json.optional("shared", (name) => sharedPortsFrom(json.fields(name))),
  }));
}

function appRouteFrom(value: unknown): AppRoute {
  const json = jsonFields(value);
  return {
    appId: json.text("appId"),
    appName: json.text("appName"),
    environment: json.text("environment"),
    address: json.text("address"),
    port: json.number("port"),
    hosts: json.optional("hosts", (name) => json.list(name, hostPathFrom)),
    endpointsPath: json.text("endpointsPath"),
    replicasDirectory: json.text("replicasDirectory"),
    statusPath: json.text("statusPath"),
  };
}

function hostPathFrom(value: unknown): HostPath {
  const json = jsonFields(value);
  return { host: json.text("host"), path: json.text("path") };
}

function sharedPortsFrom(json: JsonFields): SharedPorts {
  return {
    http: json.optional("http", (name) => portAddressFrom(json.fields(name))),
    https: json.optional("https", (name) => {
      const https = json.fields(name);
      return {
        ...portAddressFrom(https),
        certificatesDirectory: https.text("certificatesDirectory"),
        defaultCertificate: https.optional("defaultCertificate", https.text),
      };
    }),
  };
}

function portAddressFrom(json: JsonFields): PortAddress {
  return { address: json.text("address"), port: json.number("port") };
}
