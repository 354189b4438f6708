export { appRecordPath, appsDirectory, listFolders, readAppNames, type AppNames } from "./app-names.ts";
export type { BoundApi, DeploymentGates, GatekeeperLevel } from "./deployment-gates.ts";
export {
  endpointsPath,
  readEndpoints,
  writeEndpoints,
  type DeploymentEndpoints,
  type Endpoints,
} from "./endpoints-file.ts";
export {
  frontArgument,
  frontConfigPath,
  frontStatusPath,
  readFrontConfig,
  readFrontStatus,
  writeFrontConfig,
  type FrontStatus,
} from "./front-files.ts";
export {
  egressDirectoryIn,
  gatewayEgressDirectory,
  gatewayOwnDirectory,
  gatewayPeersDirectory,
  gatewaySpoolDirectory,
  gatewayStatusPath,
  leftSpoolsDirectory,
  readGatewayStatuses,
  takenSpoolsDirectory,
} from "./gateway-files.ts";
export { createFrontStatusWriter, type FrontStatusWriter } from "./front-status-writer.ts";
export { jsonFields, textsFromJson } from "./json-fields.ts";
export { describePortHolder, isListeningOn } from "./listening-port.ts";
export {
  findByArgument,
  findByEnvironment,
  isAlive,
  isOlder,
  listProcesses,
  processFamily,
  processName,
  processRef,
  processTree,
  residentBytes,
  sendSignal,
  signalProcess,
  type ProcessRef,
} from "./process-table.ts";
export {
  gatewayDirectory,
  gatewayPaths,
  readRoutes,
  writeRoutes,
  type AppRoute,
  type CertificateSource,
  type HostPath,
  type Routes,
  type SharedPorts,
} from "./routes-file.ts";
export { errorCode, isDiskFull, readStateFile, writeStateFile } from "./state-file.ts";
export { readTraffic, trafficPath, writeTraffic, type ReplicaTraffic, type Traffic } from "./traffic-file.ts";
export { openTrafficTally, type TrafficTally } from "./traffic-tally.ts";
export {
  initialUnitState,
  readUnitSpec,
  readUnitState,
  readUnitWish,
  shimArgument,
  unitCgroup,
  unitMarker,
  unitPaths,
  writeUnitSpec,
  type AppProtocol,
  type PortRange,
  type UnitMetrics,
  type UnitPaths,
  type UnitPhase,
  type UnitSpec,
  type UnitState,
  type UnitWish,
} from "./unit-files.ts";
export { watchEndpoints, type Route, type RoutingTable } from "./watch-endpoints.ts";
