/** The server's own figures, for `/metrics`. Labels are doors and statuses: never a name that a caller chose. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { RelayService } from '../relay/index.ts';
import type { NodeSessions } from './http/nodes.ts';

/** The registry, and what counts a request that was answered. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'door' | 'status'>;
}

const startedAtSeconds = Math.round(performance.timeOrigin / 1_000);

/** Registers the figures. */
export function createMetrics(sessions: NodeSessions, relay: RelayService): Metrics {
  const registry = new Registry();
  const requests = new Counter<'door' | 'status'>({
    name: 'postern_api_requests_total',
    help: 'Requests answered',
    labelNames: ['door', 'status'],
    registers: [registry],
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(read());
      },
    });
  };
  gauge('postern_node_sessions', 'Control sessions of nodes', () => sessions.all.length);
  gauge('postern_relays', 'Relay names held', () => relay.holders.length);
  gauge('postern_relay_splices', 'Channels that run through this relay', () => relay.splices);
  // The process, by the names that dashboards for Node know.
  const { memoryUsage } = process;
  gauge('process_resident_memory_bytes', 'Resident memory', () => memoryUsage.rss());
  gauge('nodejs_heap_size_used_bytes', 'Heap in use', () => memoryUsage().heapUsed);
  gauge('nodejs_external_memory_bytes', 'Memory outside the heap', () => memoryUsage().external);
  gauge('process_start_time_seconds', 'When the process started', () => startedAtSeconds);
  new Counter({
    ...{ name: 'process_cpu_seconds_total', help: 'CPU time, all threads', registers: [registry] },
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  return { registry, requests };
}
