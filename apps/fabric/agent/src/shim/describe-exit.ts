/** How a process ended, as far as it can be known. */
export type AppExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: string }
  /** It never ran: the program is missing or may not be executed. */
  | { readonly kind: "not_started"; readonly reason: string }
  /** It was the child of an earlier shim: only its parent learns how it ended. */
  | { readonly kind: "unobserved" };

/** Exit code of a shell whose child died of SIGABRT: 128 + 6. */
const abortedExitCode = 134;

/** Did V8 abort the process, which it does when the heap limit is reached? */
export function isAbort(exit: AppExit): boolean {
  return (
    (exit.kind === "signalled" && exit.signal === "SIGABRT") ||
    (exit.kind === "exited" && exit.code === abortedExitCode)
  );
}

/** Text of `ReplicaStatus.last_exit`. Holds nothing that the app wrote. */
export function describeExit(exit: AppExit, hint: { readonly outOfMemory: boolean }): string {
  if (hint.outOfMemory) return "out of memory";
  switch (exit.kind) {
    case "exited":
      return `exit ${exit.code}`;
    case "signalled":
      return `signal ${exit.signal}`;
    case "not_started":
      return `cannot start (${exit.reason})`;
    case "unobserved":
      return "exit unknown";
  }
}
