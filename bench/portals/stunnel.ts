/** stunnel as a path: one process that takes the app's connections, one that ends TLS 1.3 before the service. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, listening, MissingPeer, type Stage } from '../stage.ts';
import { forEach, type Path, type Services } from './path.ts';

const STUNNEL = ['/usr/bin/stunnel4', '/usr/bin/stunnel', '/usr/local/bin/stunnel'].find((path) =>
  existsSync(path),
);
const COMMON = [
  'foreground = yes',
  'pid =',
  'debug = 3',
  'sslVersion = TLSv1.3',
  'socket = l:TCP_NODELAY=1',
  'socket = r:TCP_NODELAY=1',
];

/** Opens the path. Throws `MissingPeer` without stunnel. */
export async function openStunnel(stage: Stage, services: Services): Promise<Path> {
  if (STUNNEL === undefined) throw new MissingPeer('stunnel is not installed');
  const program = STUNNEL;
  const folder = join(stage.folder, 'stunnel');
  const at = (name: string): string => join(folder, name);
  mkdirSync(folder, { mode: 0o700 });
  await stage.execute('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', at('key.pem'), '-out', at('certificate.pem')],
  ]);
  /** Starts a stunnel that listens for each service and connects to its port. */
  const start = async (
    name: string,
    to: Services,
    role: readonly string[],
  ): Promise<{ child: ReturnType<Stage['program']>; ports: Services }> => {
    const lines = [...COMMON];
    const ports = await forEach(to, async (port, service) => {
      const free = await freePort();
      lines.push(`[${service}]`, ...role);
      lines.push(`accept = 127.0.0.1:${free}`, `connect = 127.0.0.1:${port}`);
      return free;
    });
    writeFileSync(at(`${name}.conf`), `${lines.join('\n')}\n`);
    const child = stage.program(program, [at(`${name}.conf`)]);
    await forEach(ports, async (port) => {
      await listening(port, child);
      return port;
    });
    return { child, ports };
  };
  const far = await start('server', services, [
    `cert = ${at('certificate.pem')}`,
    `key = ${at('key.pem')}`,
  ]);
  const near = await start('client', far.ports, [
    'client = yes',
    'verifyChain = yes',
    'checkIP = 127.0.0.1',
    `CAfile = ${at('certificate.pem')}`,
  ]);
  return { ports: near.ports, parts: { near: near.child, far: far.child } };
}
