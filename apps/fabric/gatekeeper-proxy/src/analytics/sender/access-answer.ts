import { isDrawbridgeError } from "@drawbridge/errors";

/** What a thread that sends is told when it asks for access: the access, or the code of why there is none. */
export async function accessAnswer<Access>(ask: Promise<Access>): Promise<Access | { readonly failure: string }> {
  try {
    return await ask;
  } catch (error) {
    return { failure: isDrawbridgeError(error) ? error.code : "AGENT_GONE" };
  }
}
