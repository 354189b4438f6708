import { gatewayDirectory, gatewayPaths } from "@drawbridge/app-routes";
import {
  GatewayServiceClient,
  GetAnalyticsAccessRequest,
  type GetAnalyticsAccessResponse,
} from "@drawbridge/contracts/gateway/v1/gateway_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { clientTlsOptions, type TrustBundle } from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import { Agent, request } from "undici";
import { z } from "zod";
import { parseHostPort } from "../net/host-port.ts";
import { createTlsConnector } from "../net/tls-connector.ts";
import { checkEndpoint, type EndpointOptions, type ReachOptions } from "./check-endpoint.ts";
import { check, failed, type Finding } from "./check.ts";

const what = "analytics-ingest";
const expectedServer = "/cp/analytics-ingest";
const timeoutMs = 15_000;
const problemSchema = z.object({ code: z.string().max(100) });

interface ReportingOptions {
  readonly clusterDirectory: string;
  readonly trustBundle: TrustBundle;
  readonly common: ReachOptions;
  readonly logger: Logger;
}

/** The way on which gateways report requests: what the running agent gives them, whether it leads there, and counts there. */
export async function checkReporting(options: ReportingOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const name = `access to ${what}`;
  let access: GetAnalyticsAccessResponse;
  try {
    access = await askAgent(options, signal);
  } catch (error) {
    if (isDrawbridgeError(error, "ANALYTICS_NOT_OFFERED")) return [{ name, status: "skipped", detail: error.message }];
    return isDrawbridgeError(error, "AGENT_NOT_RUNNING")
      ? [{ name, status: "skipped", detail: "no agent runs with this folder, and only it can ask for access" }]
      : [failed(name, error)];
  }
  const { common, trustBundle } = options;
  const url = new URL(access.url);
  const address = url.port === "" ? `${url.hostname}:443` : url.host;
  const tlsOptions = clientTlsOptions({ trustBundle }, { expectedServer, alpnProtocols: ["http/1.1"] });
  const endpoint = {
    ...common,
    what,
    address,
    expectedServer,
    shown: [],
    tlsOptions: () => Promise.resolve(tlsOptions),
  };
  const findings = await checkEndpoint(endpoint, signal);
  const isReachable = findings.at(-1)?.status === "ok";
  const tokenFinding: Finding = isReachable
    ? await check(`token ${what}`, () => tryToken(endpoint, access, signal))
    : { name: `token ${what}`, status: "skipped", detail: "an earlier step failed" };
  return [
    { name, status: "ok", detail: `the agent gives it until ${access.expiresAt?.toISOString() ?? "an unknown time"}` },
    ...findings,
    tokenFinding,
  ];
}

/** As a gateway would; the token is in the memory of the agent alone. */
async function askAgent(options: ReportingOptions, signal: AbortSignal): Promise<GetAnalyticsAccessResponse> {
  const client = createGrpcClient(GatewayServiceClient, {
    address: gatewayPaths(gatewayDirectory(options.clusterDirectory)).feedSocket,
    identity: "unix-socket",
    expectedServer: "agent",
    logger: options.logger,
  });
  await client.start(signal);
  try {
    return await client.call.getAnalyticsAccess(GetAnalyticsAccessRequest.fromPartial({}), { timeoutMs, signal });
  } catch (error) {
    // Other answers have a code of the agent or the control plane.
    if (!isDrawbridgeError(error) || error.code.startsWith("ANALYTICS_") || error.code === "TUNNEL_DOWN") throw error;
    if (error.kind !== "unavailable" && error.kind !== "deadline_exceeded") throw error;
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "AGENT_NOT_RUNNING",
      message: "no agent answers",
      cause: error,
    });
  } finally {
    await client.stop(AbortSignal.timeout(1_000));
  }
}

/**
 * Send nothing under the token: a server looks at the token before anything else, and then finds no batch.
 * @throws DrawbridgeError with the code of the server that does not take it
 */
async function tryToken(
  endpoint: EndpointOptions,
  { url, token }: GetAnalyticsAccessResponse,
  signal: AbortSignal,
): Promise<string> {
  const { address, proxy, now, ledger, measuredSkewMs } = endpoint;
  ledger.record({
    peer: `${what} ${address}`,
    messageType: "doctor.try-token",
    sizeBytes: token.length,
    fields: [{ path: "authorization", dataClass: "IDENTITY" }],
  });
  const about = {
    peer: what,
    target: parseHostPort(address),
    proxy,
    timeoutMs,
    tlsOptions: await endpoint.tlsOptions(signal),
    now,
    measuredSkewMs: () => measuredSkewMs,
  };
  const dispatcher = new Agent({ connect: createTlsConnector(() => about, signal) });
  try {
    const { statusCode, body } = await request(new URL("/v1/analytics/batches", url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      dispatcher,
      signal,
    });
    const problem = problemSchema.safeParse(await body.json().catch(() => undefined));
    const code = problem.success ? problem.data.code : `HTTP_${statusCode}`;
    if (statusCode === 415 || code === "MEDIA_TYPE_UNSUPPORTED") return "accepted";
    throw new DrawbridgeError({
      kind: statusCode === 401 || statusCode === 403 ? "unauthenticated" : "unavailable",
      code,
      message: `${what} answers ${statusCode} ${code} to the token that the agent gives`,
    });
  } finally {
    await dispatcher.destroy();
  }
}
