// Loaded before a process's own code (--import): ends the process with SIGKILL at the point that a file names.
// The built-in modules are wrapped, the program is not: it does what it always does, until it is gone.
import fs from "node:fs";
import http2 from "node:http2";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import tls from "node:tls";
import { isMainThread } from "node:worker_threads";
import { killFileVariable, type KillPoint, type Mark } from "./kill-point.ts";

// oxlint-disable-next-line no-restricted-properties -- it is loaded before any main.ts, which must not know of it
const environment = process.env;
const file = environment[killFileVariable];
delete environment[killFileVariable];
delete environment["NODE_OPTIONS"]; // apps and threads of this process are not meant
if (file !== undefined && isMainThread) watch(file);

function watch(file: string): void {
  let armed = "";
  let passed = 0;
  let connection: object | undefined;

  /** Called before the deed; what it answers is called after it. */
  function pass(does: Mark["does"], what: string, on?: object): () => void {
    const text = readIfThere(file);
    if (text !== armed) [passed, connection] = [0, undefined];
    armed = text;
    if (text === "") return () => undefined;
    const { marks, when } = JSON.parse(text) as KillPoint; // written by arm
    const mark = marks[passed];
    if (mark?.does !== does || !new RegExp(mark.matches, "is").test(what)) return () => undefined;
    if (connection && on && connection !== on) return () => undefined; // of another transaction
    connection = on;
    const isLast = passed === marks.length - 1;
    if (!isLast) passed += 1;
    const end = (): void => die(file);
    if (isLast && when === "before") end();
    return isLast ? end : () => undefined;
  }

  watchFiles(pass);
  watchTls(pass);
  watchGrpc(pass);
  watchStatements(pass);
  syncBuiltinESMExports();
}

function readIfThere(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function die(file: string): void {
  fs.rmSync(file, { force: true });
  process.kill(process.pid, "SIGKILL");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // nothing more happens in this thread until it is gone
}

/** `on`: where statements follow each other. */
type Pass = (does: Mark["does"], what: string, on?: object) => () => void;

function watchFiles(pass: Pass): void {
  const { rename, mkdir, rm } = fs.promises;
  Object.assign(fs.promises, {
    rename: async (from: fs.PathLike, to: fs.PathLike) => {
      const after = pass("rename", String(to));
      await rename(from, to);
      after();
    },
    mkdir: async (path: fs.PathLike, options?: fs.MakeDirectoryOptions) => {
      const after = pass("mkdir", String(path));
      const made = await mkdir(path, options);
      after();
      return made;
    },
    rm: async (path: fs.PathLike, options?: fs.RmOptions) => {
      const after = pass("remove", String(path));
      await rm(path, options);
      after();
    },
  });
}

function watchTls(pass: Pass): void {
  const connect = tls.connect;
  Object.assign(tls, {
    connect: (...args: Parameters<typeof connect>) => {
      const after = pass("connect", targetOf(args[0]));
      const socket = connect(...args);
      socket.once("secureConnect", after);
      return socket;
    },
  });
}

/** `tls.connect` takes options, or a port first. */
function targetOf(first: unknown): string {
  if (typeof first !== "object" || first === null) return "";
  const { host = "", port = "" } = first as tls.ConnectionOptions; // what an object in the first place is
  return `${host}:${port}`;
}

function watchGrpc(pass: Pass): void {
  const connect = http2.connect;
  Object.assign(http2, {
    connect: (...args: Parameters<typeof connect>) => {
      const session = connect(...args);
      const request = session.request.bind(session);
      session.request = (headers, options) => {
        const path = headers && !Array.isArray(headers) ? String((headers as http2.OutgoingHttpHeaders)[":path"]) : ""; // isArray does not see readonly lists
        const after = pass("call", path);
        const stream = request(headers, options);
        after();
        stream.prependListener("trailers", () => pass("answered", path)());
        return stream;
      };
      return session;
    },
  });
}

function watchStatements(pass: Pass): void {
  // oxlint-disable-next-line typescript/unbound-method -- called with the socket below
  const write = net.Socket.prototype.write;
  const begun = new WeakMap<net.Socket, string>();
  Object.assign(net.Socket.prototype, {
    write(this: net.Socket, ...args: unknown[]): boolean {
      const [chunk] = args;
      const message = this instanceof tls.TLSSocket || !Buffer.isBuffer(chunk) ? "" : chunk.toString("latin1");
      if (message === "") return Reflect.apply(write, this, args) as boolean; // of the wrapped method
      // A statement is one message (Query), or some (Parse with its text, Bind with its values, Execute): taken together.
      const statement = /^[QP]/.test(message) ? message : `${begun.get(this) ?? ""}${message}`;
      begun.set(this, statement);
      const after = pass("statement", statement, this);
      this.prependOnceListener("data", () => pass("statement-answered", statement, this)());
      const isDrained = Reflect.apply(write, this, args) as boolean; // of the wrapped method
      after();
      return isDrained;
    },
  });
}
