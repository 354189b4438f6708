/** Also after its iterator let go of it a cancelled call reports itself. */
export function quietly<S extends AsyncIterable<unknown> & { on(event: "error", listener: () => void): unknown }>(
  call: S,
): S {
  call.on("error", () => undefined);
  return call;
}
