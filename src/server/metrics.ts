/** The server's own figures, for `/metrics`. Labels are doors and statuses: never a name that a caller chose. */

import { Counter, Gauge, Registry } from 'prom-client';
import type { RelayService } from '../relay/index.ts';
import type { NodeSessions } from './http/nodes.ts';

/** The registry, and what counts a request that was answered. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'door' | 'status'>;
}

/** Registers the figures. */
export function createMetrics(sessions: NodeSessions, relay: RelayService): Metrics {
  const registry = new Registry();
  const requests = new Counter<'door' | 'status'>({
    name: 'postern_api_requests_total',
    help: 'Requests answered',
    labelNames: ['door', 'status'],
    registers: [registry],
  });
  new Gauge({
    name: 'postern_node_sessions',
    help: 'Control sessions of nodes',
    registers: [registry],
    collect() {
      this.set(sessions.all.length);
    },
  });
  new Gauge({
    name: 'postern_relays',
    help: 'Relay names held',
    registers: [registry],
    collect() {
      this.set(relay.holders.length);
    },
  });
  new Gauge({
    name: 'postern_relay_splices',
    help: 'Channels that run through this relay',
    registers: [registry],
    collect() {
      this.set(relay.splices);
    },
  });
  return { registry, requests };
}
