import type { JetStreamManager, MsgRequest, StoredMsg } from "@nats-io/jetstream";

/** The first message of a stream from a place on, on subjects that match; for whoever may not make a consumer. */
export async function getNext(
  jsm: JetStreamManager,
  at: { readonly stream: string; readonly subject: string; readonly from: number },
): Promise<StoredMsg | null> {
  // The server knows this request since 2.9; the types have it for direct answers only.
  const request = { seq: at.from, next_by_subj: at.subject } as unknown as MsgRequest;
  return jsm.streams.getMessage(at.stream, request);
}
