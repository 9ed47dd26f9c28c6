/** `account`: people who sign in here. It asks the server of this machine, over its admin socket. */
import type { Command } from 'commander';
import type { ManagementClient } from '../../control/index.ts';
import { PosternError } from '../../kernel/index.ts';
import { askAccounts } from '../account-client.ts';
import { define, type Flags, family } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { field, list, text } from '../json.ts';
import { asOperator, listOf, parseAttributes } from '../membership.ts';
import { relativeTime, status, table } from '../output.ts';
import { readSource } from '../source-file.ts';
import { confirm, done, next, note } from '../talk.ts';
import { registerDoctor } from './account-doctor.ts';
import { movedIdentity, readIdentities, tellLeftOut } from './account-kratos-files.ts';
import { registerMessages } from './account-messages.ts';

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const PAGE_SIZE = 500;
/** Of an import, a line each. */
const REFUSALS_SHOWN_MAX = 50;

/** The account of an id, or of the address or name that it signs in with. */
async function find(word: string | undefined): Promise<unknown> {
  if (word === undefined) throw usageError('which account: an id, or what it signs in with');
  if (UUID.test(word)) return askAccounts('GET', `/identities/${word}`);
  const [found] = list(
    await askAccounts('GET', '/identities', { query: [['credentials_identifier', word]] }),
  );
  if (found === undefined)
    throw new PosternError('not_found', `There is no account "${word}"`, {
      hint: 'postern account list',
    });
  return found;
}

function addressOf(account: unknown): string {
  const [address] = list(field(account, 'verifiable_addresses'));
  return text(address, 'value') || text(field(account, 'traits'), 'email') || '-';
}
function isVerified(account: unknown): boolean {
  return list(field(account, 'verifiable_addresses')).some((a) => field(a, 'verified') === true);
}
const since = (value: unknown, name: string): string =>
  relativeTime(Date.parse(text(value, name)), Date.now());

function specOf(email: string, password: string | undefined): unknown {
  return {
    schema_id: 'default',
    traits: { email },
    ...(password === undefined ? {} : { credentials: { password: { config: { password } } } }),
  };
}

const without = (all: Record<string, string>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => key !== name));

/** The project that is named, or the server's default one, as a part of a path. */
async function projectOf(client: ManagementClient, flags: Flags): Promise<string> {
  const name = flags.text('projectName');
  if (name !== undefined) return encodeURIComponent(name);
  const [first] = listOf(await client.request('GET', '/api/v1/projects'), 'projects');
  if (first === undefined)
    throw new PosternError('not_found', 'There is no project yet', { hint: 'postern enroll' });
  return encodeURIComponent(text(first, 'id'));
}

/** Adds the family. */
export function register(program: Command): void {
  const account = family(program, 'account', 'People who sign in here', [
    'account list',
    'account create ann@example.com',
    'account messages ann@example.com --show',
  ]);

  define(account, 'list', 'List accounts', {
    examples: ['account list', "account list --jq '.[].traits.email'"],
    run: async () => {
      const all: unknown[] = [];
      // A page that is not full is the last.
      for (let page = 0; page < 2; page++) {
        const some = list(
          await askAccounts('GET', '/identities', {
            query: [
              ['page', String(page)],
              ['per_page', String(PAGE_SIZE)],
            ],
          }),
        );
        all.push(...some);
        if (some.length < PAGE_SIZE) break;
      }
      return {
        plain: table(
          ['STATUS', 'ADDRESS', 'VERIFIED', 'CREATED', 'ID'],
          all.map((a) => [
            status(text(a, 'state') === 'active' ? 'up' : 'disabled'),
            addressOf(a),
            isVerified(a) ? 'yes' : 'no',
            since(a, 'created_at'),
            text(a, 'id'),
          ]),
          'No accounts. Make one: postern account create ann@example.com',
        ),
        json: all,
      };
    },
  });

  define(account, 'show <account>', 'Show an account', {
    examples: ['account show ann@example.com'],
    run: async ({ args }) => {
      const found = await find(args[0]);
      const shown = await askAccounts('GET', `/identities/${text(found, 'id')}`);
      const ways = Object.keys(Object(field(shown, 'credentials'))).join(', ');
      return {
        plain: [
          `${status(text(shown, 'state') === 'active' ? 'up' : 'disabled')} ${addressOf(shown)}${isVerified(shown) ? '' : ' (not verified)'}`,
          `  id        ${text(shown, 'id')}`,
          `  signs in  ${ways || 'no way yet'}`,
          `  created   ${since(shown, 'created_at')}`,
        ].join('\n'),
        json: shown,
      };
    },
  });

  define(account, 'create <email>', 'Create an account', {
    options: [['--password-file <file>', 'the file with its password; - for standard input']],
    examples: [
      'account create ann@example.com',
      'account create ann@example.com --password-file ./password.txt',
    ],
    run: async ({ args, flags }) => {
      const file = flags.text('passwordFile');
      const password = file === undefined ? undefined : readSource(file).replace(/\r?\n$/, '');
      const made = await askAccounts('POST', '/identities', {
        body: specOf(args[0] ?? '', password),
      });
      done(`Account ${args[0]} created`);
      if (password === undefined)
        next(`postern account recover ${args[0]}   (a code to set a password with)`);
      return { machine: text(made, 'id'), json: made };
    },
  });

  define(account, 'import <file>', 'Create many accounts from a JSON list of identities', {
    examples: ['account import people.json'],
    run: async ({ args }) => {
      const rows = readIdentities([args[0] ?? '']).map(({ identity }) => movedIdentity(identity));
      let made = 0;
      const failed: unknown[] = [];
      for (let i = 0; i < rows.length; i += 100) {
        const identities = rows.slice(i, i + 100).map(({ identity }) => ({ create: identity }));
        const answer = await askAccounts('PATCH', '/identities', { body: { identities } });
        list(field(answer, 'identities')).forEach((row, at) => {
          if (text(row, 'action') === 'create') made += 1;
          else failed.push({ number: i + at + 1, reason: text(field(row, 'error'), 'reason') });
        });
      }
      tellLeftOut(rows);
      if (made > 0 || failed.length === 0)
        done(`${made} ${made === 1 ? 'account' : 'accounts'} created`);
      if (failed.length > 0)
        throw new PosternError(
          'invalid',
          [
            `${failed.length} of ${rows.length} ${failed.length === 1 ? 'was' : 'were'} refused`,
            ...failed
              .slice(0, REFUSALS_SHOWN_MAX)
              .map((f) => `  number ${text(f, 'number')}: ${text(f, 'reason')}`),
            ...(failed.length > REFUSALS_SHOWN_MAX ? ['  …'] : []),
          ].join('\n'),
          {
            hint: 'An identity is such as {"schema_id": "default", "traits": {"email": "ann@example.com"}}; those that were created stay',
          },
        );
      return { json: { created: made } };
    },
  });

  for (const [word, state, said] of [
    ['disable', 'inactive', 'shut out; every session of it has ended'],
    ['enable', 'active', 'may sign in again'],
  ] as const)
    define(
      account,
      `${word} <account>`,
      word === 'disable' ? 'Shut an account out at once' : 'Let an account in again',
      {
        examples: [`account ${word} ann@example.com`],
        run: async ({ args }) => {
          const id = text(await find(args[0]), 'id');
          const changed = await askAccounts('PATCH', `/identities/${id}`, {
            body: [{ op: 'replace', path: '/state', value: state }],
          });
          done(`Account ${addressOf(changed)} ${said}`);
          return { json: changed };
        },
      },
    );

  define(account, 'allow <account>', 'Let an account enrol its machines in a project', {
    options: [
      ['-p, --project-name <name>', 'the project; the default one without it'],
      ['--admin', 'as administrator'],
      ['-a, --attribute <key=value>', "what its machines' credentials say", 'list'],
      ['--relay <name>', 'a relay name that they may hold'],
    ],
    examples: ['account allow ann@example.com --attribute component=web'],
    run: async ({ args, flags }) => {
      const attributes = asUsage(() =>
        parseAttributes(flags.list('attribute'), flags.text('relay'), false),
      );
      const answer = await asOperator(async (c) =>
        c.request('POST', `/api/v1/projects/${await projectOf(c, flags)}/accounts`, {
          ...{ account: args[0], role: flags.has('admin') ? 'admin' : 'member' },
          ...{ attributes: without(attributes, 'ockam-relay') },
          ...(flags.text('relay') === undefined ? {} : { relay: flags.text('relay') }),
        }),
      );
      done(`${text(answer, 'name')} may enrol machines as ${text(answer, 'role')}`);
      next('postern enroll --server URL   (on the machine, where the person signs in)');
      return { json: answer };
    },
  });

  define(account, 'deny <account>', 'Take that back, and remove its machines at once', {
    examples: ['account deny ann@example.com'],
    options: [['-p, --project-name <name>', 'the project; the default one without it']],
    run: async ({ args, flags }) => {
      const answer = await asOperator(async (c) =>
        c.request(
          'DELETE',
          `/api/v1/projects/${await projectOf(c, flags)}/accounts/${encodeURIComponent(args[0] ?? '')}`,
        ),
      );
      done(`${text(answer, 'name')} may enrol none; ${text(answer, 'machines')} machines removed`);
      return { json: answer };
    },
  });

  define(account, 'allowed', 'List who may enrol machines in a project', {
    examples: ['account allowed', 'account allowed --project-name shop'],
    options: [['-p, --project-name <name>', 'the project; the default one without it']],
    run: async ({ flags }) => {
      const rows = listOf(
        await asOperator(async (c) =>
          c.request('GET', `/api/v1/projects/${await projectOf(c, flags)}/accounts`),
        ),
        'accounts',
      );
      return {
        plain: table(
          ['ACCOUNT', 'ROLE', 'ATTRIBUTES'],
          rows.map((r) => [
            text(r, 'name'),
            text(r, 'role'),
            Object.entries(Object(field(r, 'attributes')))
              .map(([k, v]) => `${k}=${String(v)}`)
              .join(' ') || '-',
          ]),
          'Nobody. Let somebody: postern account allow ann@example.com',
        ),
        json: rows,
      };
    },
  });

  define(account, 'delete <account>', 'Delete an account with all that belongs to it', {
    examples: ['account delete ann@example.com'],
    options: [['-y, --yes', 'without asking']],
    run: async ({ args, flags }) => {
      const found = await find(args[0]);
      if (
        !(await confirm(
          `Delete the account ${addressOf(found)}? It can not be undone.`,
          flags.has('yes'),
        ))
      )
        return undefined;
      await askAccounts('DELETE', `/identities/${text(found, 'id')}`);
      done(`Account ${addressOf(found)} deleted`);
      return { json: { deleted: text(found, 'id') } };
    },
  });

  define(account, 'sessions <account>', 'List the sessions of an account', {
    options: [['--end', 'end all of them']],
    examples: ['account sessions ann@example.com', 'account sessions ann@example.com --end'],
    run: async ({ args, flags }) => {
      const id = text(await find(args[0]), 'id');
      const rows = list(
        await askAccounts('GET', `/identities/${id}/sessions`, { query: [['active', 'true']] }),
      );
      if (flags.has('end')) {
        await askAccounts('POST', '/sessions', { body: { action: 'disable', identities: [id] } });
        done(`${rows.length} sessions ended`);
        return { json: { ended: rows.length } };
      }
      return {
        plain: table(
          ['SIGNED IN', 'LEVEL', 'FROM', 'WITH', 'ID'],
          rows.map((s) => {
            const [device] = list(field(s, 'devices'));
            return [
              since(s, 'authenticated_at'),
              text(s, 'authenticator_assurance_level'),
              text(device, 'ip_address'),
              text(device, 'user_agent').slice(0, 40),
              text(s, 'id'),
            ];
          }),
          'No sessions: nobody is signed in as this account',
        ),
        json: rows,
      };
    },
  });

  define(account, 'recover <account>', 'Print a code with which its owner gets back in', {
    options: [['--expires-in <duration>', 'how long it holds, such as 15m; 1h without it']],
    examples: [
      'account recover ann@example.com',
      'account recover ann@example.com --expires-in 15m',
    ],
    run: async ({ args, flags }) => {
      const id = text(await find(args[0]), 'id');
      const expires = flags.text('expiresIn');
      flags.durationMs('expiresIn');
      const answer = await askAccounts('POST', '/recovery/code', {
        body: { identity_id: id, ...(expires === undefined ? {} : { expires_in: expires }) },
      });
      const link = text(answer, 'recovery_link');
      const ends = relativeTime(Date.parse(text(answer, 'expires_at')), Date.now());
      done(`A code for ${args[0]} was made; it is shown this once and ends ${ends}`);
      note(`  Give it to its owner, who enters it at ${link}`);
      return { machine: text(answer, 'recovery_code'), json: answer };
    },
  });

  registerMessages(account);
  registerDoctor(account);
}
