import type { PortRange, SharedPorts } from "@drawbridge/app-routes";
import type { Clock, IdSource, Random } from "@drawbridge/lifecycle";
import type { AppUsers } from "./app-users.ts";

/** The part of a pino logger that the driver needs. */
export interface DriverLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ProcessDriverOptions {
  /** Absolute. The folders `apps` and `compile-cache` in it are the driver's own. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly logger: DriverLogger;
  /** Address on which apps are served. Default 127.0.0.1: only this machine. */
  readonly address?: string;
  /** Where the driver chooses the port of an app whose spec names none. Default 18000 to 18999. */
  readonly publicPorts?: PortRange;
  /** Ports of replicas. Default 20000 to 29999, below the range from which the system takes ports for connections. */
  readonly replicaPorts?: PortRange;
  /** PATH of the apps. Default: the folder of the running Node.js, then the system's. */
  readonly appPath?: string;
  /** Ports at which the gateway serves apps by host and path. Default: none. */
  readonly sharedPorts?: SharedPorts;
  /** Users of the apps; other ones than the agent's own take an agent that runs as root (`assertMayRunAs`). */
  readonly appUsers?: AppUsers;
  /** cgroup v2 folder delegated to the agent's user, for limits that the kernel keeps (`assertCgroupParent`). */
  readonly cgroupParent?: string;
  /** Gateway processes, side by side on the same ports. Default 1. */
  readonly gateways?: number;
  /** What gateways may tell of requests, and of their paths in words that operators choose. Default: the former only. */
  readonly reports?: {
    readonly requests: boolean;
    readonly routeWords: boolean;
    /** Disk of each gateway for what waits; absent: the gateway's default. */
    readonly spoolBytes?: number;
    /** They may capture exchanges, in these environments or in all, but for what the owner redacts; absent: not at all. */
    readonly insight?:
      | { readonly environments: readonly string[] | undefined; readonly redact: readonly string[] | undefined }
      | undefined;
  };
  /** Gateways refuse configuration of another fabric. */
  readonly fabricId?: string;
  /** Log files per replica. Default 5 of 10 MiB. */
  readonly logs?: { readonly maxFileBytes: number; readonly maxFiles: number };
  /** Restarts of an app that ended. Default full jitter from 250 ms to 60 s, anew after 60 s without an end. */
  readonly restart?: { readonly baseMs: number; readonly capMs: number; readonly resetAfterMs: number };
  /** Stopped replicas whose logs are kept, per app. Default 3. */
  readonly keepStopped?: number;
  /** Entry points of shim, front and gateway, for a bundled agent. Default: the sources beside this file. */
  readonly entryPoints?: { readonly shim: string; readonly front: string; readonly gateway: string };
}

type Optional = "cgroupParent" | "sharedPorts" | "fabricId";
export type ResolvedOptions = Required<Omit<ProcessDriverOptions, Optional>> & Pick<ProcessDriverOptions, Optional>;

export const defaultOptions = {
  address: "127.0.0.1",
  publicPorts: { from: 18_000, to: 18_999 },
  replicaPorts: { from: 20_000, to: 29_999 },
  logs: { maxFileBytes: 10_485_760, maxFiles: 5 },
  restart: { baseMs: 250, capMs: 60_000, resetAfterMs: 60_000 },
  keepStopped: 3,
  gateways: 1,
  reports: { requests: true, routeWords: false },
  appUsers: { kind: "agent" },
} as const;
