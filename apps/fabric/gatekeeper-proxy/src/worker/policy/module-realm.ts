/*
 * Scripts for the realm of a module, as texts: they are compiled in that realm, so that every function and error in them is of
 * that realm. An object of the thread's own realm must never get into the module's hands: over its constructor it would lead to
 * everything that Node.js has.
 */

/** Takes away what is not on the heap that is limited, and makes the rest unchangeable. */
export const lockRealm = `"use strict";
{
  const { freeze, getOwnPropertyDescriptor, getOwnPropertyDescriptors, getPrototypeOf, defineProperty, prototype } = Object;
  const { ownKeys } = Reflect;
  for (const name of ownKeys(globalThis)) {
    if (typeof name === "string" && /Array(?=$)|ArrayBuffer$|^DataView$|^Atomics$|^WebAssembly$|^console$|^WeakRef$|^FinalizationRegistry$/.test(name) && name !== "Array") {
      delete globalThis[name];
    }
  }
  delete prototype.__proto__;
  // Frozen prototypes would also forbid "this.name = ..." in a subclass of Error: assigning makes an own property instead.
  const overridable = [Object, Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError, Function, Promise];
  for (const { prototype } of overridable) {
    for (const name of ownKeys(prototype)) {
      const { configurable, writable, value } = getOwnPropertyDescriptor(prototype, name);
      if (!configurable || !writable) continue;
      defineProperty(prototype, name, {
        get: () => value,
        set(own) {
          if (this === prototype) throw new TypeError("prototypes cannot be changed");
          defineProperty(this, name, { value: own, writable: true, enumerable: true, configurable: true });
        },
        configurable: false,
      });
    }
  }
  const seen = new Set();
  const lock = (value) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) return;
    seen.add(value);
    freeze(value);
    lock(getPrototypeOf(value));
    for (const descriptor of Object.values(getOwnPropertyDescriptors(value))) {
      lock(descriptor.value);
      lock(descriptor.get);
      lock(descriptor.set);
    }
  };
  for (const name of ownKeys(globalThis)) if (name !== "globalThis") lock(globalThis[name]);
  for (const hidden of [function* () {}, async () => {}, async function* () {}, [][Symbol.iterator](), /x/[Symbol.matchAll]("")]) {
    lock(getPrototypeOf(hidden));
  }
}`;

/** Makes the function that calls an operation: in goes a text, out go texts. */
export const makeCaller = `"use strict";
(({ parse, stringify }) => (post) => (operation, call, input) => {
  const describe = (error) => {
    try {
      return String(error instanceof Error ? error.message : error).slice(0, 500);
    } catch {
      return "something that is no text was thrown";
    }
  };
  (async () => operation(...parse(input)))().then(
    (value) => post(call, true, stringify(value) ?? "null"),
  ).catch((error) => post(call, false, describe(error)));
})(JSON)`;

/** Refuses import(): with an error of the module's own realm. */
export const refuseImport = `"use strict";
(async () => { throw new TypeError("modules of policies import nothing"); })`;
