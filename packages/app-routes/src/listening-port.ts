import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { listProcesses, processName } from "./process-table.ts";

const listenState = "0A"; // TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h)

/** Does one of `pids` listen on the TCP port? `undefined` where the system does not tell. */
export function isListeningOn(pids: readonly number[], port: number): boolean | undefined {
  const inodes = listeningInodes(port);
  if (inodes === undefined) return undefined;
  return pids.some((pid) => hasSocket(pid, inodes));
}

/** Who listens on the port, for example "node (pid 4711)"; `undefined` if that cannot be seen. */
export function describePortHolder(port: number): string | undefined {
  const inodes = listeningInodes(port);
  if (inodes === undefined || inodes.size === 0) return undefined;
  const holder = listProcesses().find((entry) => hasSocket(entry.pid, inodes));
  return holder && `${processName(holder.pid) ?? "a process"} (pid ${holder.pid})`;
}

function listeningInodes(port: number): ReadonlySet<string> | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set<string>();
  let isKnown = false;
  for (const table of ["tcp", "tcp6"]) {
    let lines: readonly string[];
    try {
      lines = readFileSync(`/proc/net/${table}`, "utf8").split("\n").slice(1);
    } catch {
      continue; // no IPv6 here
    }
    isKnown = true;
    for (const line of lines) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === listenState && inode !== undefined && local?.endsWith(`:${hexPort}`) === true) inodes.add(inode);
    }
  }
  return isKnown ? inodes : undefined;
}

function hasSocket(pid: number, inodes: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  let descriptors: readonly string[];
  try {
    descriptors = readdirSync(folder);
  } catch {
    return false; // ended, or somebody else's
  }
  return descriptors.some((descriptor) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${descriptor}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    } catch {
      return false; // closed meanwhile
    }
  });
}
