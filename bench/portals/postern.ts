/** Postern as a path: a server, a node with the outlets, a node with the inlets, each in a home of its own. */
import { randomUUID } from 'node:crypto';
import { Machine } from '../machine.ts';
import type { Stage } from '../stage.ts';
import { forEach, type Path, type Services } from './path.ts';

const RELAY = 'bench';

/** The port of `127.0.0.1:5433`. */
function portOf(address: string): number {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  if (!Number.isInteger(port) || port === 0) throw new Error(`${address} has no port`);
  return port;
}

/**
 * Opens the path. Nodes that listen on loopback alone announce no direct address, so an inlet that names the relay
 * keeps to the relay; an inlet that names the address of the outlet's node never asks for it.
 */
export async function openPostern(
  stage: Stage,
  services: Services,
  via: 'relay' | 'to node',
): Promise<Path> {
  const server = `server-${randomUUID()}`;
  const admin = new Machine(stage, server);
  const serverProcess = await admin.startServer();
  await admin.postern('enroll');

  const far = new Machine(stage, server);
  await far.postern(
    'project',
    'enroll',
    await admin.postern('project', 'ticket', '--relay', RELAY),
  );
  const outlet = await far.startNode('outlet');
  await forEach(services, async (port, name) => {
    await far.postern('tcp-outlet', 'create', '--to', `127.0.0.1:${port}`, '--from', name);
    return port;
  });
  await far.postern('relay', 'create', RELAY);

  const near = new Machine(stage, server);
  await near.postern('project', 'enroll', await admin.postern('project', 'ticket'));
  const inlet = await near.startNode('inlet');
  const ports = await forEach(services, async (_port, name) => {
    const to =
      via === 'relay'
        ? ['--to', name, '--via', RELAY]
        : ['--to', `/ip4/127.0.0.1/tcp/${portOf(outlet.listener)}/secure/api/service/${name}`];
    return portOf(await near.postern('tcp-inlet', 'create', ...to, '--alias', name));
  });

  const ends = { near: inlet.child, far: outlet.child };
  return via === 'relay'
    ? { ports, parts: { ...ends, middle: serverProcess } }
    : { ports, parts: ends, others: [serverProcess] };
}
