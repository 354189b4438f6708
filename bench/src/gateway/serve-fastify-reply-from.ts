// @fastify/reply-from as a process of its own: node serve-fastify-reply-from.ts <port> <upstream port>.
import replyFrom from "@fastify/reply-from";
import { fastify } from "fastify";

const [, , port = "", upstreamPort = ""] = process.argv;
const server = fastify();
await server.register(replyFrom, { base: `http://127.0.0.1:${upstreamPort}`, undici: { connections: 256 } });
server.all("/*", (request, reply) => reply.from(request.url));
await server.listen({ port: Number(port), host: "127.0.0.1" });
