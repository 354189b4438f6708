import type { InsightStatus } from "./insight-protocol.ts";

/** What left the gateway, for the fabric's own ledger. */
export interface SentExchanges {
  readonly url: string;
  readonly exchanges: number;
  readonly bytes: number;
}

/** Counts that the agent has not written down yet, by where they went; what it was told in vain is told again. */
export class SentCounts {
  readonly #unsaid = new Map<string, SentExchanges>();
  #before: Pick<InsightStatus, "sentExchanges" | "sentBytes"> = { sentExchanges: 0, sentBytes: 0 };
  exchanges = 0;
  bytes = 0;

  /** A thread counts from its own beginning. */
  threadBegins(): void {
    this.#before = { sentExchanges: 0, sentBytes: 0 };
  }

  changed({ url, sentExchanges, sentBytes }: InsightStatus): void {
    const exchanges = sentExchanges - this.#before.sentExchanges;
    const bytes = sentBytes - this.#before.sentBytes;
    this.#before = { sentExchanges, sentBytes };
    if (exchanges === 0 && bytes === 0) return;
    this.exchanges += exchanges;
    this.bytes += bytes;
    this.#add({ url, exchanges, bytes });
  }

  async tell(report: (sent: SentExchanges) => Promise<void>): Promise<void> {
    for (const sent of this.#unsaid.values()) {
      this.#unsaid.delete(sent.url);
      try {
        await report(sent);
      } catch (error) {
        this.#add(sent);
        throw error;
      }
    }
  }

  #add({ url, exchanges, bytes }: SentExchanges): void {
    const known = this.#unsaid.get(url) ?? { exchanges: 0, bytes: 0 };
    this.#unsaid.set(url, { url, exchanges: known.exchanges + exchanges, bytes: known.bytes + bytes });
  }
}
