// http-proxy as a process of its own: node serve-http-proxy.ts <port> <upstream port>.
import { Agent, createServer } from "node:http";
import httpProxy from "http-proxy";

const [, , port = "", upstreamPort = ""] = process.argv;
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${upstreamPort}`,
  agent: new Agent({ keepAlive: true, maxSockets: 256 }),
  xfwd: true,
});
proxy.on("error", (_error, _request, response) => response.destroy());
createServer((request, response) => proxy.web(request, response)).listen(Number(port), "127.0.0.1");
