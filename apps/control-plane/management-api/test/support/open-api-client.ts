import { Agent, type Dispatcher, request } from "undici";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { clientTlsOptions, type TrustBundle } from "@drawbridge/pki";

export interface CallOptions {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly bytes?: Dispatcher.DispatchOptions["body"];
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

// What a test reads of an answer is its own business: the shape was checked against the document.
// oxlint-disable-next-line typescript/no-explicit-any -- JSON of a known document, read field by field in assertions
type AnyJson = any;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly json: AnyJson;
}

/** A client that holds every answer against the OpenAPI document: status, content type, body, and error code. */
export interface ApiClient {
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** The answer as it is, for streams. */
  open(method: string, path: string, options?: CallOptions): Promise<Dispatcher.ResponseData>;
  readonly document: AnyJson;
  close(): Promise<void>;
}

export async function createApiClient(options: {
  readonly url: string;
  readonly trustBundle: TrustBundle;
}): Promise<ApiClient> {
  const tls = clientTlsOptions(options, { expectedServer: "/cp/management-api", alpnProtocols: ["http/1.1"] });
  const agent = new Agent({ connect: tls as Agent.Options["connect"] & object, bodyTimeout: 0 }); // Node's own options

  const open: ApiClient["open"] = (method, path, call = {}) =>
    request(new URL(path, options.url), {
      dispatcher: agent,
      method,
      headers: {
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...(call.body === undefined ? {} : { "content-type": "application/json" }),
        ...(call.bytes === undefined ? {} : { "content-type": "application/octet-stream" }),
        ...call.headers,
      },
      body: call.bytes ?? (call.body === undefined ? null : JSON.stringify(call.body)),
      ...(call.signal ? { signal: call.signal } : {}),
    });

  const response = await open("GET", "/v1/openapi.json");
  const document: AnyJson = await response.body.json();
  const check = createChecker(document);
  return {
    document,
    open,
    call: async (method, path, call) => {
      const answer = await open(method, path, call);
      const text = await answer.body.text();
      const type = String(answer.headers["content-type"] ?? "");
      const json: AnyJson = text === "" || !type.includes("json") ? undefined : JSON.parse(text);
      check({
        method,
        path: path.split("?")[0] ?? path,
        status: answer.statusCode,
        type,
        json,
      });
      return { status: answer.statusCode, headers: answer.headers, json };
    },
    close: () => agent.destroy(),
  };
}

interface Checked {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly type: string;
  readonly json: AnyJson;
}

function createChecker(document: AnyJson): (answer: Checked) => void {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validators = new Map<string, ValidateFunction>();
  const templates = Object.keys(document.paths).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  }));
  return ({ method, path, status, type, json }) => {
    // OpenAPI 3.1 4.8.8.1: a path without parameters comes before one with them.
    const exact = document.paths[path] === undefined ? undefined : path;
    const template = exact ?? templates.find(({ pattern }) => pattern.test(path))?.template;
    const operation = template === undefined ? undefined : document.paths[template][method.toLowerCase()];
    if (operation === undefined) {
      if (json?.code === "ROUTE_NOT_FOUND") return;
      throw new Error(`${method} ${path} is not in the document`);
    }
    const response = operation.responses[String(status)];
    if (response === undefined)
      throw new Error(`${method} ${template}: ${status} ${json?.code ?? ""} is not in the document`);
    const codes: string[] | undefined = response["x-error-codes"];
    if (codes && method !== "HEAD" && !codes.includes(json?.code))
      throw new Error(`${method} ${template}: ${json?.code} is not in the document`);
    if (json === undefined) return;
    const mediaType = type.split(";")[0] ?? "";
    if (response.content?.[mediaType] === undefined)
      throw new Error(`${method} ${template}: ${status} of type ${mediaType} is not in the document`);
    const key = `${method} ${template} ${status}`;
    const schema = closed({ allOf: [response.content[mediaType].schema], components: document.components });
    const validate = validators.get(key) ?? ajv.compile(schema);
    validators.set(key, validate);
    if (!validate(json))
      throw new Error(`${method} ${template} ${status}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(json)}`);
  };
}

/** The same schema without room for fields that it does not name: an answer that has one shows a gap in the document. */
function closed(schema: AnyJson): AnyJson {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, closed(part)]));
  return parts["type"] === "object" && parts["properties"] && !parts["additionalProperties"]
    ? { ...parts, additionalProperties: false }
    : parts;
}
