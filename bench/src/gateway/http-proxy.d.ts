// What serve-http-proxy.ts uses of http-proxy, which brings no types.
declare module "http-proxy" {
  import type { Agent, IncomingMessage, ServerResponse } from "node:http";

  interface ProxyServer {
    on(event: "error", listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): this;
    web(request: IncomingMessage, response: ServerResponse): void;
  }
  const httpProxy: {
    createProxyServer(options: { target: string; agent: Agent; xfwd: boolean }): ProxyServer;
  };
  export default httpProxy;
}
