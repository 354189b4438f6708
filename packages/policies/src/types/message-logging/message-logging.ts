import { z } from "zod";
import type { ResponseTap } from "../../pipeline/enforcement.ts";
import type { Exchange, ExchangeEnd, LoadedBody, ResponseHead } from "../../pipeline/exchange.ts";
import type { HeaderList } from "../../pipeline/header-list.ts";
import { definePolicyType } from "../../policy-type.ts";
import type { MessageLogRecord } from "../../policy-services.ts";
import { createRedaction, redactBody, redacted, redactForm, shorten } from "./redaction.ts";

const headerNames = z
  .array(
    z
      .string()
      .min(1)
      .max(64)
      .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of a header"),
  )
  .max(50)
  .default([]);

const schema = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]).default("info").describe("level of the lines"),
  samplePercent: z.number().min(0.01).max(100).default(100).describe("share of the requests that are logged"),
  query: z
    .boolean()
    .default(false)
    .describe("log the query, without the values of parameters whose names tell of secrets"),
  requestHeaders: headerNames.describe("request headers to log, as the client sent them"),
  responseHeaders: headerNames.describe("response headers to log"),
  requestBodyBytes: z
    .number()
    .int()
    .min(0)
    .max(65_536)
    .default(0)
    .describe("log request bodies up to this length, JSON and forms only; 0: none"),
  responseBodyBytes: z
    .number()
    .int()
    .min(0)
    .max(65_536)
    .default(0)
    .describe("log response bodies up to this length, JSON and forms only; 0: none"),
  redact: z
    .array(z.string().min(1).max(128))
    .max(100)
    .default([])
    .describe("further names of headers, parameters and fields whose values are never logged"),
});

type Configuration = z.output<typeof schema>;
type Fields = Record<string, string | number | boolean | undefined>;

/** What is collected while an exchange goes on. */
interface Notes {
  readonly fields: Fields;
  readonly startedAtMs: number;
  responseType: string | undefined;
}

export const messageLogging = definePolicyType<Configuration>({
  type: "message-logging",
  title: "Message logging",
  description:
    "Writes a line for each request: method, path, status, duration, client. Headers and bodies only if asked for; values whose names tell of secrets never.",
  category: "troubleshooting",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create(configuration, context, { clock, random, writeMessageLog }) {
    const isSecret = createRedaction(configuration.redact);
    const { requestBodyBytes, responseBodyBytes, level } = configuration;
    const isSampled = () => configuration.samplePercent >= 100 || random() * 100 < configuration.samplePercent;
    // Only set in onRequest.
    const notesOf = (exchange: Exchange) => exchange.state(context.slot) as Notes | undefined;
    const noteBody = (fields: Fields, exchange: Exchange) => {
      if (requestBodyBytes === 0 || !exchange.body || exchange.body.length === 0) return;
      fields["requestBody"] =
        exchange.body.length > requestBodyBytes
          ? "[not logged: too long]"
          : shorten(redactBody(exchange.body, { contentType: exchange.header("content-type"), isSecret }));
    };

    return {
      onRequest(exchange) {
        if (!isSampled()) return undefined;
        const fields: Fields = {
          requestId: exchange.id,
          method: exchange.method,
          authority: shorten(exchange.authority),
          path: shorten(exchange.path),
          ...(configuration.query && exchange.query !== ""
            ? { query: shorten(redactForm(exchange.query, isSecret)) }
            : {}),
          clientAddress: exchange.clientAddress,
          ...headerFields("requestHeader", {
            headers: exchange.rawHeaders,
            names: configuration.requestHeaders,
            isSecret,
          }),
        };
        exchange.setState(context.slot, {
          fields,
          startedAtMs: clock.monotonicMs(),
          responseType: undefined,
        } satisfies Notes);
        const loading = loadShortBody(exchange, requestBodyBytes);
        if (loading === undefined) {
          noteBody(fields, exchange);
          return undefined;
        }
        return loading.then(() => {
          noteBody(fields, exchange);
          return undefined;
        });
      },
      onResponse(exchange, response) {
        const notes = notesOf(exchange);
        if (!notes) return;
        notes.responseType = response.header("content-type");
        notes.fields["responseAfterMs"] = Math.round(clock.monotonicMs() - notes.startedAtMs);
        const headers = { headers: response.rawHeaders, names: configuration.responseHeaders, isSecret };
        Object.assign(notes.fields, headerFields("responseHeader", headers));
      },
      ...(responseBodyBytes === 0
        ? {}
        : {
            tapResponse: (exchange: Exchange, _response: ResponseHead) => {
              const notes = notesOf(exchange);
              return notes && noteResponseBody(notes, { limitBytes: responseBodyBytes, isSecret });
            },
          }),
      onEnd(exchange, end) {
        const notes = notesOf(exchange);
        if (!notes) return;
        const { policyName, apiId } = context;
        const record: MessageLogRecord = {
          policyName,
          apiId,
          level,
          message: "request",
          fields: { ...notes.fields, ...endFields(exchange, end) },
        };
        writeMessageLog(record);
      },
    };
  },
});

function endFields(exchange: Exchange, end: ExchangeEnd): Fields {
  return {
    status: end.status,
    origin: end.origin,
    isComplete: end.isComplete,
    durationMs: Math.round(end.durationMs),
    requestBytes: end.requestBytes,
    responseBytes: end.responseBytes,
    clientId: exchange.client?.clientId,
    clientName: exchange.client?.clientName,
    ...(exchange.reply ? { replyPolicy: exchange.reply.policyName, replyReason: exchange.reply.reason } : {}),
  };
}

function headerFields(
  prefix: string,
  { headers, names, isSecret }: { headers: HeaderList; names: readonly string[]; isSecret: (name: string) => boolean },
): Fields {
  const fields: Fields = {};
  for (const name of names) {
    const wanted = name.toLowerCase();
    const values = headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === wanted);
    if (values.length > 0) fields[`${prefix}.${wanted}`] = isSecret(wanted) ? redacted : shorten(values.join(", "));
  }
  return fields;
}

/** Wait for a body that is short by its own word, so that logging it refuses none. @returns undefined if there is nothing to wait for */
function loadShortBody(exchange: Exchange, limitBytes: number): Promise<void> | undefined {
  const { contentLength } = exchange;
  if (exchange.body !== undefined || contentLength === undefined || contentLength === 0 || contentLength > limitBytes)
    return undefined;
  const keep = (body: LoadedBody) => {
    if (body !== "too_large") exchange.body = body;
  };
  const loaded = exchange.loadBody(limitBytes);
  if (loaded instanceof Promise) return loaded.then(keep);
  keep(loaded);
  return undefined;
}

function noteResponseBody(
  notes: Notes,
  { limitBytes, isSecret }: { limitBytes: number; isSecret: (name: string) => boolean },
): ResponseTap {
  const chunks: Buffer[] = [];
  let length = 0;
  return {
    chunk(bytes) {
      length += bytes.length;
      if (length <= limitBytes) chunks.push(Buffer.from(bytes));
    },
    end(isComplete) {
      if (length === 0) return;
      notes.fields["responseBody"] =
        length > limitBytes || !isComplete
          ? "[not logged: too long or broken off]"
          : shorten(redactBody(Buffer.concat(chunks), { contentType: notes.responseType, isSecret }));
    },
  };
}
