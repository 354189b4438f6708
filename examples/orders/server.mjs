import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createOrderBook, OrderError } from "./order-book.mjs";

const { PORT = "8080", HOST = "127.0.0.1", CURRENCY = "EUR", MAX_ORDERS = "1000" } = process.env;
const largestBodyBytes = 64 * 1024;
const openApi = readFileSync(new URL("openapi.json", import.meta.url));
const book = createOrderBook({
  currency: CURRENCY,
  capacity: Number(MAX_ORDERS),
  newId: randomUUID,
  now: () => new Date(),
});

let isDraining = false;

/** [method, path, handler]; ":id" stands for one part of a path. */
const routes = [
  ["GET", "/healthz", () => [isDraining ? 503 : 200, { ok: !isDraining }]],
  ["GET", "/openapi.json", () => [200, openApi]],
  ["GET", "/api/v1/orders", () => [200, { items: book.list() }]],
  ["POST", "/api/v1/orders", async (request) => [201, book.place(await readJson(request))]],
  ["GET", "/api/v1/orders/:id", (_request, { id }) => [200, book.find(id)]],
  ["DELETE", "/api/v1/orders/:id", (_request, { id }) => [204, book.cancel(id)]],
].map(([method, path, handler]) => ({
  method,
  handler,
  pattern: new RegExp(`^${path.replace(":id", "(?<id>[^/]+)")}$`),
}));

async function readJson(request) {
  const chunks = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes > largestBodyBytes) throw new OrderError(413, "the body is larger than 64 KiB");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new OrderError(400, "the body is not valid JSON");
  }
}

async function answer(request) {
  const { pathname } = new URL(request.url ?? "/", "http://app");
  const matching = routes.filter(({ pattern }) => pattern.test(pathname));
  if (matching.length === 0) throw new OrderError(404, "there is nothing at this address");
  const route = matching.find(({ method }) => method === request.method);
  if (!route) throw new OrderError(405, `allowed here: ${matching.map(({ method }) => method).join(", ")}`);
  return route.handler(request, route.pattern.exec(pathname)?.groups ?? {});
}

const server = createServer(async (request, response) => {
  if (isDraining) response.setHeader("connection", "close");
  const send = (status, type, body) => response.writeHead(status, { "content-type": type }).end(body);
  try {
    const [status, body] = await answer(request);
    if (status === 204) response.writeHead(204).end();
    else send(status, "application/json", Buffer.isBuffer(body) ? body : JSON.stringify(body));
  } catch (error) {
    const status = error instanceof OrderError ? error.status : 500;
    if (status === 500) console.error(error);
    send(
      status,
      "application/problem+json",
      JSON.stringify({ status, title: status === 500 ? "internal error" : error.message }),
    );
  }
});

server.on("error", (error) => {
  console.error(error.code === "EADDRINUSE" ? `port ${PORT} is in use` : error.message);
  process.exit(1);
});
server.listen(Number(PORT), HOST, () => console.log(`orders listens on ${HOST}:${server.address().port}`));

function drain(signal) {
  if (isDraining) return;
  isDraining = true;
  console.log(`${signal}: draining`);
  server.close(() => process.exit(0));
  server.closeIdleConnections();
}
process.on("SIGTERM", drain).on("SIGINT", drain);
