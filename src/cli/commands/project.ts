/** `project`: tickets, joining, and what projects there are. */
import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { PosternError, parseDurationMs } from '../../kernel/index.ts';
import { isIdentifier, parseTicket } from '../../trust/light.ts';
import { openHomeOnce } from '../access.ts';
import { define, type Flags, family } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { compact, field, text } from '../json.ts';
import {
  asMember,
  asOperator,
  type keepGrant,
  listOf,
  memberIdentity,
  nameOf,
  parseAttributes,
  projectJson,
  projectNamed,
  redeemTicket,
  renew,
} from '../membership.ts';
import { type Result, table } from '../output.ts';
import { refuseForeignTrust } from '../refusals.ts';
import { session } from '../session.ts';
import { confirm, done, next, note, waiting } from '../talk.ts';
import { retryOptions, trustOptions } from './shared-options.ts';
import { notSupported } from './unsupported.ts';

const TICKET_TTL = '60m';

/** Adds the family. */
export function register(program: Command): void {
  const project = family(program, 'project', 'Projects: tickets, joining, listing', [
    'project ticket --attribute component=db --relay db > db.ticket',
    'project enroll db.ticket',
    'project show',
  ]);

  define(project, 'ticket', 'Print a one-time ticket with which another machine joins', {
    options: [
      ['-a, --attribute <key=value>', 'an attribute the member will hold', 'list'],
      ['--expires-in <duration>', `until when it can be used (${TICKET_TTL})`],
      ['--usage-count <number>', 'how often it can be used (1)'],
      ['--relay <name>', 'allow the member to hold this relay'],
      ['--enroller', 'allow the member to invite others'],
      ['--identity <name>', 'the identity that asks'],
      ['--tls', '', 'hidden'],
      ...trustOptions,
      ...retryOptions,
    ],
    examples: ['project ticket --attribute component=db --relay db > db.ticket'],
    run: ({ flags }) => ticket(flags),
  });

  define(
    project,
    'enroll [ticket]',
    'Join a project with a ticket: its text, its file or its URL',
    {
      options: [
        ['--identity <name>', 'the identity that joins'],
        ['--timeout <duration>', 'how long to try'],
        ['--okta', '', 'hidden'],
        ...trustOptions,
        ...retryOptions,
      ],
      examples: ['project enroll db.ticket --identity db'],
      run: ({ args, flags }) => enroll(args[0], flags),
    },
  );

  const show = ({ args }: { args: readonly string[] }): Result => {
    const record = projectNamed(args[0]);
    return {
      plain: `project ${record.name} in space ${record.spaceName}\n  id        ${record.id}\n  server    ${record.serverAddresses.join(', ')}\n  authority ${record.authorityIdentifier}`,
      json: projectJson(record),
    };
  };
  define(project, 'show [name]', 'Show a project', { run: show });
  define(project, 'information [name]', 'Show a project', { run: show });

  define(project, 'list', 'List the projects this home is in', {
    run: () => {
      const { projects } = openHomeOnce();
      const rows = projects.list();
      return {
        plain: table(
          ['NAME', 'SPACE', 'SERVER', ''],
          rows.map((p) => [
            p.name,
            p.spaceName,
            p.serverAddresses.join(', '),
            projects.isDefault(p.name) ? 'default' : '',
          ]),
          'In no project yet. Begin with: postern enroll',
        ),
        json: rows.map(projectJson),
      };
    },
  });

  define(project, 'version', "Print the server's version", {
    run: async () => {
      const answer = await asOperator((c) => c.request('GET', '/api/v1/status'));
      const version = text(answer, 'version');
      return { machine: version, json: { version } };
    },
  });

  define(project, 'create <space> [name]', 'Create a project in a space', {
    run: async ({ args }) => {
      const [space, name = 'default'] = args;
      const answer = await asOperator((c) =>
        c.request('POST', '/api/v1/projects', { space, name }),
      );
      await joinCreated(text(answer, 'id'), name);
      done(`Project ${name} created in space ${space}`);
      return { plain: '', json: answer };
    },
  });

  define(project, 'delete <space> <name>', 'Delete a project', {
    options: [['-y, --yes', 'do not ask']],
    run: async ({ args, flags }) => {
      const [space, name = ''] = args;
      const question = `Delete the project ${name}? Every member loses access and live portals are cut`;
      if (!(await confirm(question, flags.has('yes')))) return undefined;
      const known = listOf(
        await asOperator((c) => c.request('GET', '/api/v1/projects')),
        'projects',
      );
      // Two spaces may have projects of one name.
      const found = known.find((p) => nameOf(p) === name && text(p, 'space_name') === space);
      if (found === undefined)
        throw new PosternError('not_found', `The project ${name} was not found in space ${space}`);
      const id = encodeURIComponent(text(found, 'id'));
      await asOperator((c) => c.request('DELETE', `/api/v1/projects/${id}`));
      const { projects } = openHomeOnce();
      if (projects.find(name) !== undefined) projects.delete(name);
      done(`Project ${name} deleted from space ${space}`);
      return { machine: name, json: { name } };
    },
  });

  define(project, 'import', 'Import a project from a JSON file', {
    options: [['--project-file <path>', 'the file', 'required']],
    run: ({ flags }) => importProject(flags.required('projectFile')),
  });

  const addon = define(project, 'addon [words...]', 'Add-ons are not supported yet', {
    isHidden: true,
    run: () => {
      throw notSupported('project addon');
    },
  });
  addon.allowUnknownOption();
}

/** Who makes a project administers it: this home gets its credential, unless it knows another project of that name. */
async function joinCreated(id: string, name: string): Promise<void> {
  const { projects } = openHomeOnce();
  if (projects.default === undefined) return;
  if (projects.find(name) !== undefined) {
    note(`This home is in another project named ${name}; the new one's id is ${id}`);
    return;
  }
  const present = projectNamed();
  await renew(memberIdentity(present), { ...present, id, name });
}

async function ticket(flags: Flags): Promise<Result> {
  if (session().globals.output === 'json')
    throw new PosternError('invalid', 'A ticket is one line of text; it has no JSON output');
  refuseForeignTrust(flags);
  const count = flags.text('usageCount') ?? '1';
  if (!/^\d{1,6}$/.test(count) || Number(count) < 1)
    throw usageError(`--usage-count "${count}" is not a number from 1 up`);
  const attributes = asUsage(() => parseAttributes(flags.list('attribute'), undefined, false));
  if (flags.has('tls')) attributes['ockam-tls-certificate'] = 'true';
  const expiresIn = flags.text('expiresIn') ?? TICKET_TTL;
  const expiresInMs = asUsage(() => parseDurationMs(expiresIn));
  const answer = await asMember(
    { project: flags.text('project'), identity: flags.text('identity') },
    (client, project) =>
      client.request('POST', `/api/v1/projects/${project.id}/tickets`, {
        attributes,
        ...(flags.text('relay') === undefined ? {} : { relay: flags.text('relay') }),
        enroller: flags.has('enroller'),
        expires_in_ms: expiresInMs,
        usage_count: Number(count),
      }),
  );
  done(`Ticket made; it works ${count === '1' ? 'once' : `${count} times`}, within ${expiresIn}`);
  next('postern project enroll TICKET   (on the other machine)');
  return { machine: text(answer, 'ticket') };
}

const FETCH_TIMEOUT_MS = 15_000;

async function readTicket(given: string): Promise<string> {
  if (/^[0-9a-fA-F\s]+$/.test(given) && given.length > 64) return given;
  if (/^https?:\/\//.test(given)) {
    const answer = await fetch(given, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!answer.ok) throw new PosternError('unavailable', `${given} answered ${answer.status}`);
    return answer.text();
  }
  if (statSync(given, { throwIfNoEntry: false })?.isFile() === true)
    return readFileSync(given, 'utf8');
  return given;
}

async function enroll(given: string | undefined, flags: Flags): Promise<Result> {
  refuseForeignTrust(flags);
  const home = openHomeOnce();
  const wanted = flags.text('identity');
  const identity =
    wanted !== undefined && home.identities.find(wanted) === undefined
      ? home.createIdentity(wanted)
      : home.identity(wanted);
  if (given === undefined) {
    const project = projectNamed(flags.text('project'));
    const kept = await waiting('waiting for the authority', renew(identity, project));
    done(`Identity ${identity.name} holds a fresh credential of project ${project.name}`);
    return membershipResult(identity, kept);
  }
  const parsed = parseTicket(await readTicket(given));
  const kept = await waiting('waiting for the server', redeemTicket(identity, parsed));
  if (kept.alreadyMember) {
    note('Identity is already enrolled with the project');
    note(
      'The ticket was not used, and gave no attribute: a second role needs a POSTERN_HOME of its own',
    );
  } else done(`Identity ${identity.name} joined project ${kept.project.name}`);
  next('postern node create');
  return membershipResult(identity, kept);
}

function membershipResult(
  identity: { name: string; identifier: string },
  kept: ReturnType<typeof keepGrant>,
): Result {
  const { credential, project } = kept;
  return {
    plain: `project ${project.name}: ${Object.entries(credential.attributes)
      .map(([k, v]) => `${k}=${v}`)
      .join(', ')}`,
    json: {
      identity: { name: identity.name, identifier: identity.identifier },
      project_name: project.name,
      credential: {
        credential: credential.certificatePem,
        subject: credential.identifier,
        issuer: project.authorityIdentifier,
        created_at: new Date().toISOString(),
        expires_at: new Date(credential.notAfterMs).toISOString(),
        attributes: credential.attributes,
      },
    },
  };
}

function importProject(path: string): Result {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new PosternError('invalid', `${path} is not a project file in JSON`, { cause });
  }
  const [name, id, route] = [nameOf(parsed), text(parsed, 'id'), text(parsed, 'access_route')];
  const address = /\/dnsaddr\/([^/]+)\/tcp\/(\d+)/.exec(route);
  if (name === '' || id === '' || address === null)
    throw new PosternError('invalid', `${path} lacks a name, an id or an access route`);
  const authority = text(parsed, 'identity');
  openHomeOnce().projects.put({
    name,
    id,
    spaceId: text(parsed, 'space_id'),
    spaceName: text(parsed, 'space_name'),
    serverAddresses: [`${address[1]}:${address[2]}`],
    serverCaPem: text(field(parsed, 'postern'), 'server_ca_pem'),
    authorityIdentifier: isIdentifier(authority) ? authority : '',
    authorityChangeHistoryHex: text(parsed, 'authority_identity'),
    authorityCertificatePem: text(field(parsed, 'postern'), 'authority_certificate_pem'),
  });
  const said = `Successfully imported project ${name}`;
  return { plain: said, machine: said, json: compact({ name, id }) };
}
