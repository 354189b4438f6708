import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Who is measured, and how its process is started. */
export interface Peer {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** It prints the headers that its clients need as JSON, once it serves. */
  readonly saysHeaders?: boolean;
}

const here = import.meta.dirname;
const searched = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/usr/local/sbin`.split(delimiter);

/** The program's path; `undefined` if it is not installed. */
export function programNamed(name: string): string | undefined {
  return searched.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export interface PeerPlace {
  readonly folder: string;
  readonly port: number;
  readonly upstreamPort: number;
}

const nginxHead = (folder: string, name: string): string =>
  `daemon off; worker_processes 1; pid ${folder}/${name}.pid; error_log /dev/null crit;
events { worker_connections 8192; }`;

/** A server that answers with so many bytes, the same for everybody. */
export function upstreamPeer(folder: string, port: number, bytes: number): Peer | undefined {
  const command = programNamed("nginx");
  if (command === undefined) return undefined;
  const config = join(folder, `upstream-${port}.conf`);
  writeFileSync(join(folder, `body-${bytes}`), "x".repeat(bytes));
  const answer =
    bytes <= 2_048 ? `return 200 "${"x".repeat(bytes)}";` : `root ${folder}; try_files /body-${bytes} =404;`;
  writeFileSync(
    config,
    `${nginxHead(folder, `upstream-${port}`)}
http { access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600s; default_type text/plain;
  server { listen 127.0.0.1:${port} backlog=4096; location / { ${answer} } } }`,
  );
  return { name: "upstream", command, args: ["-c", config] };
}

export function nginxPeer({ folder, port, upstreamPort }: PeerPlace): Peer | undefined {
  const command = programNamed("nginx");
  if (command === undefined) return undefined;
  const config = join(folder, `nginx-${port}.conf`);
  writeFileSync(
    config,
    `${nginxHead(folder, `nginx-${port}`)}
http { access_log off; keepalive_requests 1000000000;
  upstream u { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://u; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id; } } }`,
  );
  return { name: "nginx", command, args: ["-c", config] };
}

export function haproxyPeer({ folder, port, upstreamPort }: PeerPlace): Peer | undefined {
  const command = programNamed("haproxy");
  if (command === undefined) return undefined;
  const config = join(folder, `haproxy-${port}.cfg`);
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${upstreamPort} maxconn 256
`,
  );
  return { name: "HAProxy", command, args: ["-f", config] };
}

const program = (name: string, file: string, { port, upstreamPort }: PeerPlace, ...more: string[]): Peer => ({
  name,
  command: process.execPath,
  args: [join(here, file), String(port), String(upstreamPort), ...more],
});

export const httpProxyPeer = (place: PeerPlace): Peer => program("http-proxy", "serve-http-proxy.ts", place);
export const replyFromPeer = (place: PeerPlace): Peer =>
  program("@fastify/reply-from", "serve-fastify-reply-from.ts", place);
export const fastifyHttpProxyPeer = (place: PeerPlace): Peer =>
  program("@fastify/http-proxy", "serve-fastify-http-proxy.ts", place);

export function gatewayPeer(place: PeerPlace, mode: "bare" | "policies"): Peer {
  const name = mode === "bare" ? "gateway" : "gateway, client ID + rate limit + JWT + analytics";
  return { ...program(name, "serve-gateway.ts", place, mode), saysHeaders: true };
}
