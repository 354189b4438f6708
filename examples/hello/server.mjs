import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const { PORT = "8080", HOST = "127.0.0.1", GREETING = "Hello", API_KEY, DRAWBRIDGE_REPLICA = "none" } = process.env;
const longestSlowMs = 60_000;

// The version is written once, in the manifest, which is part of the bundle.
const manifest = readFileSync(new URL("drawbridge.yaml", import.meta.url), "utf8");
const version = /^version:\s*["']?([^"'\s#]+)/m.exec(manifest)?.[1] ?? "unknown";

let isWarm = false;
let isDraining = false;
let served = 0;
let greeted = 0;

const routes = {
  "/": () => {
    greeted += 1;
    return [200, { greeting: `${GREETING} from version ${version}`, version, replica: DRAWBRIDGE_REPLICA }];
  },
  "/ready": () => (isWarm && !isDraining ? [200, { ready: true }] : [503, { ready: false }]),
  "/whoami": () => [
    200,
    { replica: DRAWBRIDGE_REPLICA, version, pid: process.pid, apiKey: API_KEY ? "set" : "not set", served },
  ],
  "/slow": async (url) => {
    const ms = Math.min(longestSlowMs, Math.max(0, Number(url.searchParams.get("ms") ?? 1000) || 0));
    await new Promise((resolve) => setTimeout(resolve, ms));
    return [200, { waitedMs: ms, version, replica: DRAWBRIDGE_REPLICA }];
  },
};

/** What the manifest's `metrics` names: Prometheus' text format. */
const metrics = () =>
  [
    "# TYPE hello_greetings_total counter",
    `hello_greetings_total ${greeted}`,
    "# TYPE process_resident_memory_bytes gauge",
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    "",
  ].join("\n");

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? "/", "http://app");
  if (url.pathname === "/metrics") {
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(metrics());
    return;
  }
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  const allowed = request.method === "GET" || request.method === "HEAD";
  const [status, body] = !route
    ? [404, { error: "not found" }]
    : allowed
      ? await route(url)
      : [405, { error: "only GET" }];
  if (url.pathname !== "/ready") served += 1;
  // A client that keeps its connection learns here that it must open another one.
  if (isDraining) response.setHeader("connection", "close");
  if (status === 405) response.setHeader("allow", "GET, HEAD");
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
});

server.on("error", (error) => {
  console.error(error.code === "EADDRINUSE" ? `port ${PORT} is in use` : error.message);
  process.exit(1);
});

server.listen(Number(PORT), HOST, () => {
  console.log(`hello ${version} listens on ${HOST}:${server.address().port}, replica ${DRAWBRIDGE_REPLICA}`);
  // What a real app does here: connect, load, compile. Until then it must get no requests.
  setTimeout(() => {
    isWarm = true;
    console.log("warmed up");
  }, 250);
});

/** Finish what is in flight, take nothing new, then go. */
function drain(signal) {
  if (isDraining) return;
  isDraining = true;
  console.log(`${signal}: draining`);
  server.close(() => {
    console.log("drained");
    process.exit(0);
  });
  server.closeIdleConnections();
}
process.on("SIGTERM", drain).on("SIGINT", drain);
