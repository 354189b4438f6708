import { connect } from "node:net";

/** A NATS server speaks first: "INFO {...}" (NATS client protocol). It listens only when JetStream has recovered. */
export async function natsGreets(address: { readonly host: string; readonly port: number }): Promise<boolean> {
  const socket = connect(address);
  const greeting = Promise.withResolvers<boolean>();
  socket.setTimeout(2_000, () => greeting.resolve(false));
  socket.once("error", () => greeting.resolve(false));
  socket.once("close", () => greeting.resolve(false));
  socket.once("data", (chunk) => greeting.resolve(chunk.toString("latin1").startsWith("INFO ")));
  try {
    return await greeting.promise;
  } finally {
    socket.destroy();
  }
}
