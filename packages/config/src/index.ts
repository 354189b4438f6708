export { addressList, createAddressList, network, plainAddress, type AddressList } from "./address-list.ts";
export { columnarStoreFields, wholeColumnarStore } from "./columnar-store-fields.ts";
export { configTable, describeConfig, type ConfigRow } from "./describe-config.ts";
export { loadConfig, loadConfigOrExit, type ConfigSchema, type LoadConfigOptions } from "./load-config.ts";
export { Secret } from "./secret.ts";
export { hostPort, listenAddress, secretFile, filePath, organisation, type ListenAddress } from "./fields.ts";
export { proxyProtocolFields, serviceFields, telemetryFields } from "./service-fields.ts";
