/** A node as a process: logs as JSON lines, answers on its socket, drains on SIGTERM and SIGINT. */
import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { tuneMemory } from '../channel/index.ts';
import type { Home } from '../home/index.ts';
import { createLogger, type Logger } from '../kernel/index.ts';
import { NodeAgent } from './agent.ts';
import { NodeApi } from './api.ts';

export interface NodeOptions {
  readonly home: Home;
  readonly name: string;
  readonly logger: Logger;
  /** Called when the API is told to stop the node. */
  onStop(): void;
}

/** Starts a node in this process. */
export async function startNode(
  o: NodeOptions,
): Promise<{ agent: NodeAgent; close(): Promise<void> }> {
  const socketPath = o.home.nodeSocketPath(o.name);
  const agent = new NodeAgent({ home: o.home, name: o.name, logger: o.logger });
  const api = new NodeApi(agent, o.onStop);
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await agent.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(socketPath, { force: true });
  };
  try {
    await agent.start();
    if (agent.record.httpServer !== undefined)
      servers.push(await api.listenHttp(agent.record.httpServer.port));
    servers.push(await api.listen(socketPath, o.logger));
  } catch (reason) {
    await close();
    throw reason;
  }
  return { agent, close };
}

/** Runs a node until it is told to stop; the process ends with it. */
export async function runNode(home: Home, name: string): Promise<void> {
  tuneMemory();
  const level = process.env['POSTERN_LOG_LEVEL'] ?? process.env['OCKAM_LOG_LEVEL'] ?? 'info';
  const logger = await createLogger({
    level: ['debug', 'info', 'warn', 'error'].includes(level) ? level : 'info',
    base: { node: name },
    path: join(home.nodeDirectory(name), 'stdout.log'),
  });
  await new Promise<void>((resolve, reject) => {
    let running: Awaited<ReturnType<typeof startNode>> | undefined;
    let isStopping = false;
    const stop = (): void => {
      if (isStopping) return;
      isStopping = true;
      (running?.close() ?? Promise.resolve()).then(resolve, reject);
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    startNode({ home, name, logger, onStop: stop }).then((started) => {
      running = started;
      if (isStopping) started.close().then(resolve, reject);
    }, reject);
  });
  home.close();
  process.exit(0);
}
