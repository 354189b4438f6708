import { findByArgument, isAlive, shimArgument, type UnitPaths, type UnitState } from "@drawbridge/app-routes";

/** The process table is asked only where the state file names no living shim: on a full disk it may be out of date. */
export function hasShim(paths: UnitPaths, state: UnitState): boolean {
  if (isAlive(state.shim)) return true;
  if (state.phase === "stopped") return false;
  const argument = shimArgument(paths.directory);
  return findByArgument((candidate) => candidate === argument).length > 0;
}
