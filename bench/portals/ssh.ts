/** `ssh -L` as a path: an sshd of the benchmark's own on loopback, with its own host key, and a client with its key. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort, listening, MissingPeer, type Stage } from '../stage.ts';
import { forEach, type Path, type Services } from './path.ts';

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find((path) => existsSync(path));
const SSH = ['/usr/bin/ssh', '/usr/local/bin/ssh'].find((path) => existsSync(path));
/** Where Debian's sshd, run by root, locks its unprivileged child in. */
const PRIVILEGE_SEPARATION_FOLDER = '/run/sshd';

/** Opens the path. Throws `MissingPeer` without ssh or sshd. */
export async function openSsh(stage: Stage, services: Services): Promise<Path> {
  if (SSH === undefined) throw new MissingPeer('ssh is not installed');
  if (SSHD === undefined) throw new MissingPeer('sshd is not installed');
  const folder = join(stage.folder, 'ssh');
  const at = (name: string): string => join(folder, name);
  mkdirSync(folder, { mode: 0o700 });
  for (const key of ['host_key', 'user_key'])
    await stage.execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  copyFileSync(at('user_key.pub'), at('authorized_keys'));
  const port = await freePort();
  const config = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${at('host_key')}`,
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    // The scratch folder lies below /tmp, which everybody may write to.
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    'AllowTcpForwarding local',
    'PidFile none',
  ];
  writeFileSync(at('sshd_config'), `${config.join('\n')}\n`);
  if (process.getuid?.() === 0) stage.lendFolder(PRIVILEGE_SEPARATION_FOLDER);
  const server = stage.program(SSHD, ['-D', '-f', at('sshd_config')]);
  await listening(port, server);
  const forwards: string[] = [];
  const ports = await forEach(services, async (target) => {
    const free = await freePort();
    forwards.push('-L', `127.0.0.1:${free}:127.0.0.1:${target}`);
    return free;
  });
  const client = stage.program(SSH, [
    ...['-N', '-F', 'none', '-i', at('user_key'), '-p', String(port)],
    ...['-o', 'StrictHostKeyChecking=accept-new', '-o', `UserKnownHostsFile=${at('known_hosts')}`],
    ...['-o', 'BatchMode=yes', '-o', 'ExitOnForwardFailure=yes'],
    ...forwards,
    `${userInfo().username}@127.0.0.1`,
  ]);
  await forEach(ports, async (free) => {
    await listening(free, client);
    return free;
  });
  return { ports, parts: { near: client, far: server } };
}
