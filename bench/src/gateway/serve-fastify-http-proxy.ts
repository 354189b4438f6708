// @fastify/http-proxy as a process of its own: node serve-fastify-http-proxy.ts <port> <upstream port>.
import httpProxy from "@fastify/http-proxy";
import { fastify } from "fastify";

const [, , port = "", upstreamPort = ""] = process.argv;
const server = fastify();
await server.register(httpProxy, { upstream: `http://127.0.0.1:${upstreamPort}`, undici: { connections: 256 } });
await server.listen({ port: Number(port), host: "127.0.0.1" });
