/** Opens and closes the paths that the benchmark holds side by side. */
import type { ChildProcess } from 'node:child_process';
import type { Stage } from '../stage.ts';
import { type Path, type PathName, PLACES, type Place, type Services } from './path.ts';
import { openPostern } from './postern.ts';
import { openSsh } from './ssh.ts';
import { openStunnel } from './stunnel.ts';

async function openSplice(stage: Stage, services: Services): Promise<Path> {
  const parts: Partial<Record<Place, ChildProcess>> = {};
  let ports = services;
  for (const place of PLACES.toReversed()) {
    const { app, database } = ports;
    const next = database === undefined ? [app] : [app, database];
    const hop = await stage.role({ role: 'hop', ports: next });
    parts[place] = hop.child;
    ports = { app: hop.ports[0] ?? 0, database: hop.ports[1] };
  }
  return { ports, parts };
}

/** Opens a path. Throws `MissingPeer` when a program that it needs is not installed. */
export function openPath(stage: Stage, name: PathName, services: Services): Promise<Path> {
  switch (name) {
    case 'direct':
      return Promise.resolve({ ports: services, parts: {} });
    case 'splice':
      return openSplice(stage, services);
    case 'relay':
      return openPostern(stage, services, 'relay');
    case 'to node':
      return openPostern(stage, services, 'to node');
    case 'ssh':
      return openSsh(stage, services);
    case 'stunnel':
      return openStunnel(stage, services);
  }
}

/** Ends the processes of a path. */
export function closePath(stage: Stage, path: Path): Promise<void> {
  return stage.end([...Object.values(path.parts), ...(path.others ?? [])]);
}
