import { join } from "node:path";
import { gatesFrom, type DeploymentGates } from "./deployment-gates.ts";
import { decodeStateFile } from "./decode-state-file.ts";
import { jsonFields, textItem, type JsonFields } from "./json-fields.ts";
import { refFrom } from "./process-ref-from-json.ts";
import type { ProcessRef } from "./process-table.ts";
import { writeStateFile } from "./state-file.ts";

/*
 * A unit is one supervised process: a replica of an app, an app's front, or the fabric's gateway. Its folder is all that
 * driver, shim and front share:
 *   spec.json   written once by the driver: what to run
 *   wish.json   written by the driver: drain or stop; absent while it should run
 *   state.json  written by the shim: what is
 *   home/       HOME of the process    logs/ its output    stdout, stderr  FIFOs between process and shim
 *   shim.log    what the shim itself had to say before it died
 */
const unitKinds = ["replica", "front", "gateway"] as const;
export type UnitKind = (typeof unitKinds)[number];

export interface UnitSpec {
  readonly kind: UnitKind;
  readonly unitId: string;
  readonly appId: string;
  readonly revision: string;
  /** Equal templates need no replacement. */
  readonly templateDigest: string;
  readonly createdAt: Date;
  readonly command: readonly string[];
  readonly workingDirectory: string;
  /** Without the secrets, which only ever pass through a pipe. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variable that tells the process its port, by name of the port; the first is served by the front. */
  readonly ports: readonly UnitPort[];
  readonly portRange: PortRange;
  readonly probe:
    | { readonly kind: "http"; readonly portName: string; readonly path: string }
    | { readonly kind: "none" };
  /** Where a replica tells metrics of its own. */
  readonly metrics?: UnitMetrics | undefined;
  readonly memoryLimitBytes: number | undefined;
  /** Thousandths of a core; kept by the cgroup alone. */
  readonly cpuLimitMillis: number | undefined;
  /** cgroup v2 folder in which children with their own memory limit may be made. */
  readonly cgroupParent: string | undefined;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number;
  readonly runAs: { readonly uid: number; readonly gid: number } | undefined;
  readonly logs: { readonly maxFileBytes: number; readonly maxFiles: number };
  readonly restart: { readonly baseMs: number; readonly capMs: number; readonly resetAfterMs: number };
  /** Of a replica: what the gateway needs of its deployment, as it was when that began. */
  readonly gates?: DeploymentGates | undefined;
}

export interface UnitMetrics {
  readonly portName: string;
  readonly path: string;
  /** What may leave besides the usual ones. */
  readonly names: readonly string[];
}

export interface UnitPort {
  readonly name: string;
  readonly variable: string;
  /** Absent: HTTP/1.1. */
  readonly protocol?: AppProtocol | undefined;
}

/** What an app speaks at a port; "h2c": HTTP/2 without TLS and with prior knowledge, as gRPC servers do. */
const appProtocols = ["http1", "h2c"] as const;
export type AppProtocol = (typeof appProtocols)[number];

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

const unitPhases = ["starting", "ready", "unready", "crashed", "draining", "stopped"] as const;
export type UnitPhase = (typeof unitPhases)[number];

export interface UnitState {
  readonly shim: ProcessRef | undefined;
  /** The process, also its group and session id; undefined while none runs. */
  readonly app: ProcessRef | undefined;
  readonly phase: UnitPhase;
  /** Ports by name, chosen by the shim. */
  readonly ports: Readonly<Record<string, number>>;
  /** Address on which the app answered; "127.0.0.1" or "::1". */
  readonly address: string;
  /** How often it ended on its own. */
  readonly exits: number;
  readonly restarts: number;
  readonly startedAt: Date | undefined;
  /** When it was last known to be ready. */
  readonly lastReadyAt: Date | undefined;
  readonly lastExit: string;
}

export const initialUnitState: UnitState = {
  shim: undefined,
  app: undefined,
  phase: "starting",
  ports: {},
  address: "127.0.0.1",
  exits: 0,
  restarts: 0,
  startedAt: undefined,
  lastReadyAt: undefined,
  lastExit: "",
};

/** "drain": no new requests, those under way finish until the deadline. "stop": SIGTERM, and SIGKILL at the deadline. */
export interface UnitWish {
  readonly wish: "drain" | "stop";
  readonly since: Date;
  readonly deadlineAt: Date;
}

export function unitPaths(directory: string) {
  return {
    directory,
    spec: join(directory, "spec.json"),
    wish: join(directory, "wish.json"),
    state: join(directory, "state.json"),
    home: join(directory, "home"),
    logs: join(directory, "logs"),
    stdout: join(directory, "stdout"),
    stderr: join(directory, "stderr"),
    shimLog: join(directory, "shim.log"),
  } as const;
}

export type UnitPaths = ReturnType<typeof unitPaths>;

/** Argument by which the shim of a folder can be found in the process table. */
export function shimArgument(directory: string): string {
  return `--unit=${directory}`;
}

/** Variables that every process of a unit inherits and by which it can be found. */
export function unitMarker(unit: Pick<UnitSpec, "appId" | "unitId">): Readonly<Record<string, string>> {
  return { DRAWBRIDGE_APP_ID: unit.appId, DRAWBRIDGE_REPLICA: unit.unitId };
}

/** cgroup of the unit's own, where one can be made (`cgroupParent`); it is made by the shim. */
export function unitCgroup(unit: Pick<UnitSpec, "appId" | "unitId" | "cgroupParent">): string | undefined {
  const { cgroupParent, appId, unitId } = unit;
  return cgroupParent === undefined ? undefined : join(cgroupParent, `drawbridge-${appId}-${unitId}`);
}

export function writeUnitSpec(paths: UnitPaths, spec: UnitSpec): void {
  writeStateFile(paths.spec, spec);
}

/** `undefined` if there is no whole spec: the folder was never finished. */
export function readUnitSpec(paths: UnitPaths): UnitSpec | undefined {
  return decodeStateFile(paths.spec, (json) => ({
    kind: json.oneOf("kind", unitKinds),
    unitId: json.text("unitId"),
    appId: json.text("appId"),
    revision: json.text("revision"),
    templateDigest: json.text("templateDigest"),
    createdAt: json.date("createdAt"),
    command: json.list("command", textItem),
    workingDirectory: json.text("workingDirectory"),
    environment: json.texts("environment"),
    ports: json.list("ports", (item) => {
      const port = jsonFields(item);
      const protocol = port.optional("protocol", (name) => port.oneOf(name, appProtocols));
      return { name: port.text("name"), variable: port.text("variable"), protocol };
    }),
    portRange: { from: json.fields("portRange").number("from"), to: json.fields("portRange").number("to") },
    probe: probeFrom(json.fields("probe")),
    metrics: json.optional("metrics", (name) => {
      const metrics = json.fields(name);
      return {
        portName: metrics.text("portName"),
        path: metrics.text("path"),
        names: metrics.list("names", textItem),
      };
    }),
    memoryLimitBytes: json.optional("memoryLimitBytes", json.number),
    cpuLimitMillis: json.optional("cpuLimitMillis", json.number),
    cgroupParent: json.optional("cgroupParent", json.text),
    stopGraceMs: json.number("stopGraceMs"),
    runAs: json.optional("runAs", (name) => {
      const runAs = json.fields(name);
      return { uid: runAs.number("uid"), gid: runAs.number("gid") };
    }),
    logs: {
      maxFileBytes: json.fields("logs").number("maxFileBytes"),
      maxFiles: json.fields("logs").number("maxFiles"),
    },
    restart: {
      baseMs: json.fields("restart").number("baseMs"),
      capMs: json.fields("restart").number("capMs"),
      resetAfterMs: json.fields("restart").number("resetAfterMs"),
    },
    gates: json.optional("gates", (name) => gatesFrom(json.fields(name))),
  }));
}

export function readUnitState(paths: UnitPaths): UnitState | undefined {
  return decodeStateFile(paths.state, (json) => ({
    shim: json.optional("shim", (name) => refFrom(json.fields(name))),
    app: json.optional("app", (name) => refFrom(json.fields(name))),
    phase: json.oneOf("phase", unitPhases),
    ports: json.numbers("ports"),
    address: json.text("address"),
    exits: json.number("exits"),
    restarts: json.number("restarts"),
    startedAt: json.optional("startedAt", json.date),
    lastReadyAt: json.optional("lastReadyAt", json.date),
    lastExit: json.text("lastExit"),
  }));
}

/** `undefined` while the unit should run. */
export function readUnitWish(paths: UnitPaths): UnitWish | undefined {
  return decodeStateFile(paths.wish, (json) => ({
    wish: json.oneOf("wish", ["drain", "stop"]),
    since: json.date("since"),
    deadlineAt: json.date("deadlineAt"),
  }));
}

function probeFrom(json: JsonFields): UnitSpec["probe"] {
  return json.oneOf("kind", ["http", "none"]) === "http"
    ? { kind: "http", portName: json.text("portName"), path: json.text("path") }
    : { kind: "none" };
}
