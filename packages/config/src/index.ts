export { loadConfig, describeConfig, type ConfigSchema } from "./load-config.ts";
export { Secret } from "./secret.ts";
export { hostPort, listenAddress, secretFile, filePath, type ListenAddress } from "./fields.ts";
