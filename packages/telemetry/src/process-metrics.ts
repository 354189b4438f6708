import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";

/** What every process says about itself. Returns how to stop measuring. */
export function measureProcess(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  metrics.gauge("process_resident_memory_bytes", { description: "resident set size", unit: "By" }, () =>
    process.memoryUsage.rss(),
  );
  metrics.gauge(
    "process_heap_used_bytes",
    { description: "V8 heap in use", unit: "By" },
    () => process.memoryUsage().heapUsed,
  );
  metrics.gauge("process_cpu_seconds", { description: "CPU time used since the start", unit: "s" }, () => {
    const used = process.cpuUsage();
    return (used.user + used.system) / 1e6;
  });
  metrics.gauge("process_uptime_seconds", { description: "time since the start", unit: "s" }, () => process.uptime());
  metrics.gauge(
    "event_loop_delay_p99_seconds",
    { description: "99th percentile of event loop delay since the last scrape", unit: "s" },
    () => {
      const seconds = delay.percentile(99) / 1e9;
      delay.reset();
      return seconds;
    },
  );
  return () => void delay.disable();
}
