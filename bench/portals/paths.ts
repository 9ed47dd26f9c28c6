/** The ways from the app to the target that the benchmark holds side by side. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import {
  type Authority,
  attestLeaf,
  createAuthorityCa,
  createIdentity,
  createServerCa,
  exportPrivateKey,
  generateLeafKey,
  issueCredential,
  issueServerCertificate,
} from '../../src/trust/index.ts';
import { freePort, listening, type Part, type Stage } from './process.ts';
import type { MemberText, Service } from './wire.ts';

export const PATH_NAMES = [
  'direct',
  'plain',
  'postern',
  'postern-direct',
  'ssh',
  'stunnel',
] as const;
export type PathName = (typeof PATH_NAMES)[number];

/** One way: the port of each service at its near end, and the processes in between. */
export interface Path {
  readonly name: PathName;
  readonly ports: readonly number[];
  readonly parts: readonly Part[];
}

const PROJECT = 'bench';
const HOUR_MS = 3_600_000;

async function member(authority: Authority): Promise<MemberText> {
  const keys = createIdentity();
  const leaf = generateLeafKey();
  const { certificatePem } = await issueCredential({
    authority,
    projectId: PROJECT,
    identifier: keys.identity.identifier,
    attributes: {},
    generation: 1,
    spki: leaf.publicKeySpki,
    evidence: attestLeaf(keys, leaf.publicKeySpki),
    nowMs: Date.now(),
    validityMs: 12 * HOUR_MS,
  });
  return {
    changeHistory: keys.identity.changeHistory.toString('base64'),
    identifier: keys.identity.identifier,
    identityKeyPem: exportPrivateKey(keys.privateKey),
    leafPrivateKeyPem: exportPrivateKey(leaf.privateKey),
    certificatePem,
    authorityCertificatePem: authority.certificatePem,
    projectId: PROJECT,
  };
}

async function plain(stage: Stage, services: readonly Service[]): Promise<Path> {
  const parts: Part[] = [];
  let next = services;
  for (const name of ['outlet', 'relay', 'inlet']) {
    const part = await stage.role(name, { role: 'hop', services: next });
    parts.unshift(part);
    next = next.map((s, i) => ({ ...s, targetPort: part.ports[i] ?? 0 }));
  }
  return { name: 'plain', ports: next.map((s) => s.targetPort), parts };
}

async function postern(
  stage: Stage,
  services: readonly Service[],
  via: 'relay' | 'direct',
): Promise<Path> {
  const authority = await createAuthorityCa(PROJECT);
  const parts: Part[] = [];
  let port: number | undefined;
  if (via === 'relay') {
    const relay = await stage.role('relay', { role: 'relay' });
    parts.push(relay);
    port = relay.ports[0];
  }
  const outlet = await stage.role('outlet', {
    role: 'outlet',
    member: await member(authority),
    services,
    ...(port === undefined ? {} : { relayPort: port }),
  });
  const inlet = await stage.role('inlet', {
    role: 'inlet',
    member: await member(authority),
    services: services.map((s) => s.name),
    via,
    port: port ?? outlet.ports[0] ?? 0,
  });
  return {
    name: via === 'relay' ? 'postern' : 'postern-direct',
    ports: inlet.ports,
    parts: [inlet, ...parts, outlet],
  };
}

const sshd = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find(existsSync);

async function ssh(stage: Stage, services: readonly Service[]): Promise<Path> {
  if (sshd === undefined) throw new Error('sshd is not installed');
  const at = (name: string): string => join(stage.folder, name);
  for (const key of ['host_key', 'user_key'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  execFileSync('cp', [at('user_key.pub'), at('authorized_keys')]);
  // sshd run by root wants its folder for privilege separation.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  writeFileSync(
    at('sshd_config'),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${at('host_key')}`,
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'AllowTcpForwarding yes',
      'PidFile none',
    ].join('\n'),
  );
  const server = stage.program('sshd', sshd, ['-D', '-f', at('sshd_config')]);
  await listening(port);
  const ports = await Promise.all(services.map(() => freePort()));
  const client = stage.program('ssh', 'ssh', [
    '-N',
    ...['-F', 'none', '-i', at('user_key'), '-p', String(port)],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', 'BatchMode=yes', '-o', 'ExitOnForwardFailure=yes'],
    ...services.flatMap((s, i) => ['-L', `127.0.0.1:${ports[i]}:127.0.0.1:${s.targetPort}`]),
    `${userInfo().username}@127.0.0.1`,
  ]);
  for (const p of ports) await listening(p);
  return { name: 'ssh', ports, parts: [client, server] };
}

async function stunnel(stage: Stage, services: readonly Service[]): Promise<Path> {
  const at = (name: string): string => join(stage.folder, name);
  const ca = await createServerCa('bench');
  const leaf = generateLeafKey();
  const certificatePem = await issueServerCertificate({
    ca,
    names: ['127.0.0.1', 'localhost'],
    leaf,
    nowMs: Date.now(),
    validityMs: 12 * HOUR_MS,
  });
  writeFileSync(at('stunnel-ca.pem'), ca.certificatePem);
  writeFileSync(at('stunnel.pem'), `${exportPrivateKey(leaf.privateKey)}\n${certificatePem}`);
  chmodSync(at('stunnel.pem'), 0o600);
  const common = [
    'foreground = yes',
    'pid =',
    'debug = 3',
    'socket = l:TCP_NODELAY=1',
    'socket = r:TCP_NODELAY=1',
    'sslVersion = TLSv1.3',
  ];
  const outer = await Promise.all(services.map(() => freePort()));
  const inner = await Promise.all(services.map(() => freePort()));
  writeFileSync(
    at('stunnel-server.conf'),
    [
      ...common,
      ...services.flatMap((s, i) => [
        `[${s.name}]`,
        `cert = ${at('stunnel.pem')}`,
        `accept = 127.0.0.1:${outer[i]}`,
        `connect = 127.0.0.1:${s.targetPort}`,
      ]),
    ].join('\n'),
  );
  writeFileSync(
    at('stunnel-client.conf'),
    [
      ...common,
      ...services.flatMap((s, i) => [
        `[${s.name}]`,
        'client = yes',
        'verifyChain = yes',
        `CAfile = ${at('stunnel-ca.pem')}`,
        `accept = 127.0.0.1:${inner[i]}`,
        `connect = 127.0.0.1:${outer[i]}`,
      ]),
    ].join('\n'),
  );
  const far = stage.program('stunnel server', 'stunnel', [at('stunnel-server.conf')]);
  for (const p of outer) await listening(p);
  const near = stage.program('stunnel client', 'stunnel', [at('stunnel-client.conf')]);
  for (const p of inner) await listening(p);
  return { name: 'stunnel', ports: inner, parts: [near, far] };
}

/** Sets one way up. Throws when a program that it needs is not installed. */
export function openPath(
  stage: Stage,
  name: PathName,
  services: readonly Service[],
): Promise<Path> {
  switch (name) {
    case 'direct':
      return Promise.resolve({ name, ports: services.map((s) => s.targetPort), parts: [] });
    case 'plain':
      return plain(stage, services);
    case 'postern':
      return postern(stage, services, 'relay');
    case 'postern-direct':
      return postern(stage, services, 'direct');
    case 'ssh':
      return ssh(stage, services);
    case 'stunnel':
      return stunnel(stage, services);
  }
}
