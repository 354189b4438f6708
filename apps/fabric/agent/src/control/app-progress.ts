/** How far the agent is with what is wanted of one app. */
export type AppProgress =
  /** Known, nothing done yet. */
  | { readonly state: "waiting"; readonly key: string }
  | { readonly state: "fetching"; readonly key: string }
  | { readonly state: "applying"; readonly key: string }
  /** The driver brought it up. `atMs` is monotonic. */
  | { readonly state: "applied"; readonly key: string; readonly atMs: number }
  | {
      readonly state: "failed";
      readonly key: string;
      readonly reason: string;
      readonly message: string;
      readonly attempt: number;
      /** Monotonic. */
      readonly retryAtMs: number;
    }
  | { readonly state: "removing"; readonly key: string };

/** Key of a removal: never equal to a spec digest. */
export const removalKey = "remove";
