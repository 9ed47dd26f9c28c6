/** `enroll`, `status` and `reset`: this home as a whole. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { parseTicket } from '../../trust/light.ts';
import { closeHome, openHomeOnce } from '../access.ts';
import { define, type Flags } from '../command.ts';
import { compact, text } from '../json.ts';
import {
  adminSocket,
  asOperator,
  enrollOverSocket,
  projectJson,
  redeemTicket,
} from '../membership.ts';
import { type Result, relativeTime, shorten, status } from '../output.ts';
import { confirm, done, next, waiting, warn } from '../talk.ts';
import { programVersion } from '../version.ts';

/** Adds the commands. */
export function register(program: Command): void {
  define(program, 'enroll', 'Join as administrator and make the default project', {
    options: [
      ['--server <url>', 'the server, when it is on another machine: sign in there in a browser'],
      ['--ca <file>', "the server's ca.pem, when this machine does not know its certificate"],
      ['--project <name>', 'the project to join after signing in'],
      ['--ticket <ticket>', 'the admin ticket that `postern server admin-ticket` printed there'],
      ['--identity <name>', 'the identity to enrol'],
      ['--force', 'enrol again'],
      ['--authorization-code-flow', '', 'hidden'],
      ['--skip-resource-creation', '', 'hidden'],
    ],
    examples: [
      'enroll',
      'enroll --ticket "$ADMIN_TICKET"',
      'enroll --server https://id.example.org:4433 --ca ca.pem',
    ],
    run: ({ flags }) => enroll(flags),
  });

  define(program, 'status', 'What this home holds and what runs', {
    options: [['--timeout <duration>', 'how long to wait for the server']],
    run: showStatus,
  });

  define(program, 'reset', 'Stop every node and delete what this home holds', {
    options: [
      ['-y, --yes', 'do not ask'],
      ['--all', 'delete the spaces on the server too'],
    ],
    run: reset,
  });
}

async function enroll(flags: Flags): Promise<Result> {
  const home = openHomeOnce();
  const identity = home.identity(flags.text('identity'));
  const known = home.projects.default;
  const isMember =
    known !== undefined &&
    home.enrolments.find(`${identity.identifier}@${known.id}`)?.role === 'admin';
  if (isMember && !flags.has('force')) {
    done(`Already enrolled: identity ${identity.name} administers the project ${known.name}`);
    return enrolled(identity.name, identity.identifier, known.name);
  }
  const server = flags.text('server');
  const given = flags.text('ticket');
  if (given === undefined && server === undefined && !existsSync(adminSocket()))
    throw new PosternError(
      'unauthenticated',
      'No server of this machine answers, so there is nobody to enrol with',
      { hint: '`postern server start` here, or sign in to another: `postern enroll --server URL`' },
    );
  const ticket =
    given === undefined && server !== undefined
      ? parseTicket(await ticketBySignIn(server, flags))
      : given === undefined
        ? undefined
        : withServer(given, server);
  const { project, credential } = await waiting(
    'waiting for the server to enrol this home',
    ticket === undefined ? enrollOverSocket(identity) : redeemTicket(identity, ticket),
  );
  done(
    `Enrolled: identity ${identity.name} is ${home.enrolments.get(credential.name).role} of project ${project.name} in space ${project.spaceName}`,
  );
  next('postern tcp-outlet create --to 5432');
  return enrolled(identity.name, identity.identifier, project.name);
}

/** Signs a person in, and answers the ticket of one use that they get for this machine. */
async function ticketBySignIn(url: string, flags: Flags): Promise<string> {
  const { askServer, publicServer, signIn } = await import('../sign-in.ts');
  const server = publicServer(url, flags.text('ca'));
  const token = await signIn(server);
  const project = flags.text('project');
  const answer = await askServer(server, token, 'POST', '/api/v1/enrollments', {
    ...(project === undefined ? {} : { project }),
  });
  return text(answer, 'ticket');
}

function withServer(line: string, server: string | undefined): ReturnType<typeof parseTicket> {
  const ticket = parseTicket(line);
  if (server === undefined) return ticket;
  const url = /^https?:\/\//.test(server) ? new URL(server) : undefined;
  const address = url === undefined ? server : `${url.hostname}:${url.port || '4480'}`;
  return { ...ticket, server: { ...ticket.server, addresses: [address] } };
}

function enrolled(name: string, identifier: string, project: string): Result {
  return {
    plain: '',
    machine: '',
    json: { identity: { name, identifier }, project_name: project },
  };
}

async function showStatus(): Promise<Result> {
  const home = openHomeOnce();
  const { isRunning } = await import('../background.ts');
  const nodes = await Promise.all(
    home.nodes.list().map(async (n) => ({
      name: n.name,
      pid: n.pid,
      identity: n.identityName,
      isUp: await isRunning(n.name),
    })),
  );
  const identities = home.identities.list();
  const projects = home.projects.list();
  const server = projects.length === 0 ? undefined : await serverState();
  const enrolments = home.enrolments.list();
  const lines = [
    server === undefined
      ? 'Not enrolled. Begin with: postern enroll'
      : `${status(server.isUp ? 'up' : 'down')} server at ${projects[0]?.serverAddresses.join(', ')}${server.why}`,
    ...projects.map((p) => `project ${p.name} in space ${p.spaceName}`),
    ...identities.map((i) => {
      const member = enrolments.find((e) => e.identifier === i.identifier);
      const held = home.credentials.list().find((c) => c.identifier === i.identifier);
      return `identity ${i.name} ${shorten(i.identifier)}${member === undefined ? '' : `, ${member.role}`}${held === undefined ? '' : `, credential ends ${relativeTime(held.notAfterMs, Date.now())}`}`;
    }),
    ...nodes.map(
      (n) => `${status(n.isUp ? 'running' : 'stopped')} node ${n.name}, identity ${n.identity}`,
    ),
  ];
  return {
    plain: lines.join('\n'),
    json: {
      ockam_version: programVersion(),
      orchestrator_version: server?.version ?? null,
      server: server === undefined ? null : { status: server.isUp ? 'up' : 'down' },
      spaces: [
        ...new Map(projects.map((p) => [p.spaceId, { id: p.spaceId, name: p.spaceName }])).values(),
      ],
      projects: projects.map(projectJson),
      identities: identities.map((i) => ({
        name: i.name,
        identifier: i.identifier,
        is_default: home.identities.isDefault(i.name),
        enrolled: enrolments.some((e) => e.identifier === i.identifier),
      })),
      nodes: nodes.map((n) =>
        compact({
          name: n.name,
          status: n.isUp ? 'running' : 'stopped',
          pid: n.isUp ? n.pid : undefined,
        }),
      ),
    },
  };
}

async function serverState(): Promise<{ isUp: boolean; why: string; version: string | null }> {
  try {
    const answer = await asOperator((client) => client.request('GET', '/api/v1/status'));
    const version: unknown =
      typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'version') : undefined;
    return { isUp: true, why: '', version: typeof version === 'string' ? version : null };
  } catch (error) {
    if (error instanceof PosternError && error.code === 'denied')
      return { isUp: true, why: '', version: null };
    return { isUp: false, why: error instanceof Error ? `: ${error.message}` : '', version: null };
  }
}

async function reset({ flags }: { flags: Flags }): Promise<Result | undefined> {
  const home = openHomeOnce();
  const nodes = home.nodes.list();
  const question = `Delete everything in ${home.path}${nodes.length === 0 ? '' : `, ${nodes.length} nodes with it`}?`;
  if (!(await confirm(question, flags.has('yes')))) return undefined;
  if (flags.has('all')) await deleteSpaces();
  const { stopNode } = await import('../background.ts');
  for (const { name } of nodes) await stopNode(name, false);
  const current = openHomeOnce();
  const { path } = current;
  current.reset();
  forgetHome();
  done(`${path} is empty`);
  return undefined;
}

function forgetHome(): void {
  try {
    closeHome();
  } catch (error) {
    // The reset closed the database already; a second close says so and harms nothing.
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE'))
      throw error;
  }
}

async function deleteSpaces(): Promise<void> {
  const { projects } = openHomeOnce();
  if (projects.default === undefined) return;
  const names = new Set(projects.list().map((p) => p.spaceName));
  for (const name of names) {
    try {
      await asOperator((c) => c.request('DELETE', `/api/v1/spaces/${encodeURIComponent(name)}`));
    } catch (error) {
      warn(`The space ${name} was not deleted: ${error instanceof Error ? error.message : ''}`);
    }
  }
}
