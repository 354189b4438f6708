import type { RegistryLogin } from "@drawbridge/contracts/activation/v1/activation_service";

/** The content of a `kubernetes.io/dockerconfigjson` (ACT 5). */
export function registryConfig(login: RegistryLogin): string {
  const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const config = { auths: { [login.server]: { username: login.username, password: login.password, auth } } };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
