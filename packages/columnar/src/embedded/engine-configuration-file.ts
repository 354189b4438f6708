/** Server settings that ClickHouse takes from a file only. Its defaults are for a machine of its own. */
const serverSettings = {
  // 5 GB by default.
  mark_cache_size: 64 * 1024 * 1024,
  // Threads for work that an embedded engine has little or none of.
  background_schedule_pool_size: 4,
  background_common_pool_size: 2,
  background_fetches_pool_size: 1,
  background_move_pool_size: 1,
  background_buffer_flush_schedule_pool_size: 1,
  background_distributed_schedule_pool_size: 1,
  background_message_broker_schedule_pool_size: 1,
};

/** No system log table is named here, so none is written. Backups go wherever the service says. */
export function engineConfigurationFile(): string {
  const settings = Object.entries(serverSettings).map(([name, value]) => `  <${name}>${String(value)}</${name}>\n`);
  return `<clickhouse>\n${settings.join("")}  <backups><allowed_path>/</allowed_path></backups>\n</clickhouse>\n`;
}
