import type { PackProgress } from "@drawbridge/bundle";
import type { Output } from "./output.ts";

/** Calls `show` when another tenth is done: often enough for a person, not too often for a log. */
export function inTenths(show: (percent: number) => void): (done: number, total: number) => void {
  let shown = -1;
  return (done, total) => {
    const percent = total === 0 ? 100 : Math.floor((done / total) * 10) * 10;
    if (percent === shown) return;
    shown = percent;
    show(percent);
  };
}

export function packProgress(output: Output, source: string): (progress: PackProgress) => void {
  const show = inTenths((percent) => output.progress(`packing ${source}, ${percent} %`));
  return ({ bytes, totalBytes }) => show(bytes, totalBytes);
}
