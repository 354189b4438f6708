import { systemClock } from "@drawbridge/lifecycle";
import type { RunningModule } from "@drawbridge/policies";
import { expect, onTestFinished, test } from "vitest";
import { createModuleRunner } from "../src/worker/policy/module-runner.ts";
import { createPolicyClock } from "../src/worker/policy/policy-services.ts";

const startModule = createModuleRunner(createPolicyClock(systemClock));

async function run(source: string, { memoryLimitMb = 32 } = {}): Promise<RunningModule> {
  const module = await startModule({ source, name: "test", memoryLimitMb, loadTimeoutMs: 10_000 });
  onTestFinished(() => module.close());
  return module;
}

const call = (module: RunningModule, input: readonly unknown[] = [], timeoutMs = 5000) =>
  module.call("onRequest", input, timeoutMs);

test("a module gets its arguments and gives its verdict as JSON, with a promise or without", async () => {
  const module = await run(`
    export async function onRequest(request, configuration) { return { refuse: request.path + configuration.limit }; }
    export const other = () => undefined;
  `);
  expect(await call(module, [{ path: "/a" }, { limit: 3 }])).toStrictEqual({ refuse: "/a3" });
  expect(await module.call("other", [], 5000)).toBeNull();
});

test.each([
  ["has a syntax error", "export function {", "SyntaxError"],
  ["throws while it loads", "throw new Error('no');", "no"],
  ["imports a module of Node.js", 'import "node:fs";', "import nothing"],
  ["imports a file", 'import "./module-runner.ts";', "import nothing"],
])("a module that %s is not started", async (_what, source, message) => {
  await expect(run(source)).rejects.toThrow(message);
});

test("a module that never finishes loading is ended", async () => {
  const loading = startModule({ source: "for (;;);", name: "test", memoryLimitMb: 32, loadTimeoutMs: 300 });
  await expect(loading).rejects.toThrow("took too long to load");
});

/** Ways that lead out of a realm of node:vm, each ending in something of Node.js if it succeeds. */
const escapes: readonly (readonly [string, string])[] = [
  ["the global process", "typeof process"],
  ["require", "typeof require"],
  ["the network", "typeof fetch + typeof WebSocket"],
  ["timers", "typeof setTimeout + typeof setImmediate"],
  ["the console", "typeof console"],
  [
    "memory outside the heap",
    "typeof ArrayBuffer + typeof SharedArrayBuffer + typeof Uint8Array + typeof Float64Array + typeof DataView + typeof WebAssembly + typeof Atomics",
  ],
  ["code from texts", "Function('return typeof process')()"],
  ["eval", "(0, eval)('typeof process')"],
  ["the constructor of its input", "input.constructor.constructor('return typeof process')()"],
  ["the constructor of the global object", "globalThis.constructor.constructor('return typeof process')()"],
  ["import()", "await import('node:fs').then(({ readFileSync }) => readFileSync('/etc/hostname', 'latin1'))"],
  [
    "the error of import()",
    "await import('node:fs').catch((error) => error.constructor.constructor('return typeof process')())",
  ],
  [
    "the prototypes of that error",
    "await import('node:fs').catch((error) => Object.getPrototypeOf(Object.getPrototypeOf(error)).constructor.constructor('return typeof process')())",
  ],
  [
    "the promise of import()",
    "(() => { const p = import('node:fs'); p.catch(() => 0); return p.constructor.constructor('return typeof process')(); })()",
  ],
  [
    "an error where the stack ends in import()",
    "await (async () => { let got; const dig = () => { try { dig(); } catch { got ??= import('node:fs'); } }; dig(); return got.catch((e) => e.constructor.constructor('return typeof process')()); })()",
  ],
  [
    "functions of the stack",
    "(() => { Error.prepareStackTrace = (e, sites) => sites; const sites = new Error().stack; return sites.map((s) => typeof s.getThis() + typeof s.getFunction()).join().includes('function') ? 'object' : 'undefined'; })()",
  ],
  ["import.meta", "typeof Object.values(import.meta)[0]"],
  ["__proto__", "typeof input.__proto__"],
];

test.each(escapes)("a module finds no way to Node.js by %s", async (_what, expression) => {
  const module = await run(
    `export async function onRequest(input) { try { return { got: String(await (${expression})) }; } catch (error) { return { threw: true }; } }`,
  );
  const verdict = await call(module, [{ a: 1 }]);
  expect([
    { threw: true },
    ...["undefined", "undefinedundefined", "undefined".repeat(7)].map((got) => ({ got })),
  ]).toContainEqual(verdict);
});

test.each([
  "Object.prototype.refuse = 1",
  "Array.prototype.push = null",
  "JSON.parse = null",
  "Promise.prototype.then = null",
  "String.prototype.toLowerCase = null",
  "Object.getPrototypeOf(async () => {}).constructor = null",
  "Object.getPrototypeOf([][Symbol.iterator]()).next = null",
])("the language itself cannot be changed: %s", async (statement) => {
  const module = await run(
    `export function onRequest() { try { ${statement}; } catch (error) { return error.name; } return "changed"; }`,
  );
  expect(await call(module)).toBe("TypeError");
});

test("classes of a module may still have their own names and methods", async () => {
  const module = await run(`
    class Refused extends Error { constructor() { super("no"); this.name = "Refused"; } }
    function Old() {} Old.prototype.toString = function () { return "old"; };
    export function onRequest() { const error = new Refused(); return [error.name, error.message, String(new Old())]; }
  `);
  expect(await call(module)).toStrictEqual(["Refused", "no", "old"]);
});

test("a call that breaks its time limit is refused and ends the thread; the next one is answered by a new thread", async () => {
  const module = await run(`
    let calls = 0;
    export function onRequest(kind) { calls += 1; if (kind === "loop") for (;;); if (kind === "never") return new Promise(() => {}); return calls; }
  `);
  expect(await call(module)).toBe(1);
  await expect(call(module, ["loop"], 200)).rejects.toThrow("longer than 200 ms");
  expect(await call(module)).toBe(1);
  await expect(call(module, ["never"], 200)).rejects.toThrow("longer than 200 ms");
  expect(await call(module)).toBe(1);
});

test("a regular expression that never ends is ended too", async () => {
  const module = await run(`export function onRequest() { return /^(a+)+$/.test("a".repeat(60) + "!"); }`);
  await expect(call(module, [], 300)).rejects.toThrow("longer than 300 ms");
});

test("a module that takes more memory than it may loses its thread, and nobody else theirs", async () => {
  const other = await run("export const onRequest = () => 1;");
  const module = await run(
    `export function onRequest(kind) { if (kind !== "grow") return 1; const kept = []; for (;;) kept.push(new Array(10000).fill(kept.length)); }`,
    { memoryLimitMb: 16 },
  );
  await expect(call(module, ["grow"], 30_000)).rejects.toThrow("the module's thread");
  expect(await call(module)).toBe(1);
  expect(await call(other)).toBe(1);
});

test.each([
  ["throws", "throw new Error('no')", "no"],
  ["throws something strange", "throw { toString() { throw 1; } }", "no text was thrown"],
  ["rejects", "return Promise.reject(new TypeError('later'))", "later"],
  ["returns what is no JSON", "return 1n", "BigInt"],
  ["returns a circle", "const a = {}; a.a = a; return a", "circular"],
  ["returns too much", "return 'x'.repeat(70000)", "too long"],
])("a call that %s is refused", async (_what, body, message) => {
  const module = await run(`export function onRequest() { ${body} }`);
  await expect(call(module)).rejects.toThrow(message);
});

test("a call of what is not exported is refused, also if objects usually have it", async () => {
  const module = await run("export const onRequest = 1;");
  await expect(call(module)).rejects.toThrow("exports no function");
  await expect(module.call("toString", [], 5000)).rejects.toThrow("exports no function");
});

test("a module that is closed answers the requests that are under way", async () => {
  const module = await run("export const onRequest = () => 1;");
  module.close();
  expect(await call(module)).toBe(1);
});
