import { isIP } from "node:net";
import { createSecureContext, type ConnectionOptions, type PeerCertificate } from "node:tls";
import { Client, credentials, type ChannelOptions } from "@grpc/grpc-js";

/** An HTTP proxy that is asked to CONNECT. */
export interface ProxySettings {
  readonly host: string;
  readonly port: number;
  /** "user:password" for Proxy-Authorization; never logged. */
  readonly credentials?: string;
}

export interface ChannelSettings {
  readonly address: string;
  readonly maxMessageBytes: number;
  readonly proxy: "none" | "environment" | ProxySettings;
}

/** Where the server is told apart by its SPIFFE ID, a name is only needed because TLS wants no address as server name (RFC 6066 3). */
const nameForAddresses = "drawbridge.invalid";

const fixedOptions: ChannelOptions = {
  // Our own reconnect policy: grpc-js starts at 1 s (design R13).
  "grpc.initial_reconnect_backoff_ms": 250,
  // Shorter than a call's 10 s, also with the jitter of a fifth: a call that waits for a peer sees it come back, however long it was away.
  "grpc.max_reconnect_backoff_ms": 5_000,
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.keepalive_permit_without_calls": 1,
  // Connections are never shared between clients: each belongs to one identity.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0,
};

/** Open a gRPC channel with these TLS options; it connects at its first call. */
export function openChannel(tls: ConnectionOptions, settings: ChannelSettings): Client {
  const secureContext = createSecureContext(tls);
  const { checkServerIdentity } = tls;
  if (!checkServerIdentity)
    throw new Error("a channel needs checkServerIdentity: without it any server of the trust domain would do");
  const channelCredentials = credentials.createFromSecureContext(secureContext, {
    rejectUnauthorized: true,
    checkServerIdentity: (host: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
  });
  const host = settings.address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  const proxy = typeof settings.proxy === "object" ? settings.proxy : undefined;
  return new Client(proxy ? addressOf(proxy) : settings.address, channelCredentials, {
    ...fixedOptions,
    ...(proxy ? { "grpc.http_connect_target": `dns:${settings.address}` } : {}),
    ...(proxy?.credentials === undefined ? {} : { "grpc.http_connect_creds": proxy.credentials }),
    ...(isIP(host) ? { "grpc.ssl_target_name_override": nameForAddresses } : {}),
    "grpc.max_receive_message_length": settings.maxMessageBytes,
    "grpc.max_send_message_length": settings.maxMessageBytes,
    "grpc.enable_http_proxy": settings.proxy === "environment" ? 1 : 0,
  });
}

/** Open a gRPC channel to a Unix socket, which only our own user can have made. */
export function openUnixChannel({
  path,
  maxMessageBytes,
}: {
  readonly path: string;
  readonly maxMessageBytes: number;
}): Client {
  return new Client(`unix:${path}`, credentials.createInsecure(), {
    ...fixedOptions,
    "grpc.max_reconnect_backoff_ms": 1_000, // nobody else is in the way
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.enable_http_proxy": 0,
  });
}

function addressOf({ host, port }: ProxySettings): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
