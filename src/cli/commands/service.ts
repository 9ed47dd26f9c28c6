/** `service`: accounts of apps and scripts, with passwords and tokens of their own. */
import type { Command } from 'commander';
import { define, type Flags, family } from '../command.ts';
import { field, text } from '../json.ts';
import { asOperator, listOf } from '../membership.ts';
import { relativeTime, status, table } from '../output.ts';
import { confirm, done, next } from '../talk.ts';
import { defineStart, listNodeServices } from './node-service.ts';

type Option = readonly [string, string, ('list' | 'hidden' | 'required')?];
const SPACE: readonly Option[] = [
  ['--space <name>', 'its space, where several have one of the name'],
];
const LIFE: readonly Option[] = [
  ['--expires <duration>', 'until when it works'],
  ['--expires-in <duration>', 'the same', 'hidden'],
];
const SCOPE: Option = ['--scope <scope>', 'what it may, such as permissions:write', 'list'];

function ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) {
  return asOperator((c) => c.request(method, `/api/v1/services${path}`, body));
}
/** The path of a service, and of what is below it. */
function pathOf(name: string | undefined, flags: Flags, below = ''): string {
  const space = flags.text('space');
  const query = space === undefined ? '' : `?space=${encodeURIComponent(space)}`;
  return `/${encodeURIComponent(name ?? '')}${below}${query}`;
}
function lifeOf(flags: Flags): object {
  const lifeMs = flags.durationMs('expires') ?? flags.durationMs('expiresIn');
  return lifeMs === undefined ? {} : { expires_in_ms: lifeMs };
}
function when(value: unknown, name: string, never = '-'): string {
  const at = text(value, name);
  return at === '' ? never : relativeTime(Date.parse(at), Date.now());
}
const scopesOf = (value: unknown): string => listOf(field(value, 'scopes'), '').join(' ') || '-';
const stateOf = (s: unknown): string => {
  if (field(s, 'disabled') === true) return status('disabled');
  const ends = Date.parse(text(s, 'expires_at'));
  return status(ends <= Date.now() ? 'expired' : 'up');
};

function lines(service: unknown, tokens: readonly unknown[]): string {
  const rows: readonly [string, string][] = [
    ['id', text(service, 'id')],
    ['space', text(service, 'space')],
    ['scopes', scopesOf(service)],
    ['password', when(service, 'password_set_at', 'none')],
    ['tokens', tokens.map((t) => text(t, 'name')).join(' ') || 'none'],
    ['created', when(service, 'created_at')],
    ['ends', when(service, 'expires_at', 'never')],
  ];
  return [
    `${stateOf(service)} ${text(service, 'name')}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(9)} ${value}`),
  ].join('\n');
}

/** Adds the family. */
export function register(program: Command): void {
  const service = family(program, 'service', 'Accounts of apps and scripts', [
    'service create backup --scope permissions:read',
    'service password backup',
    'service token add backup nightly --expires 90d',
  ]);

  define(service, 'create <name>', 'Create a service', {
    options: [
      SCOPE,
      ...LIFE,
      ['--space <name>', 'the organisation that it belongs to; the default one without it'],
    ],
    examples: ['service create backup --scope permissions:read --expires 365d'],
    run: async ({ args, flags }) => {
      const space = flags.text('space');
      const made = await ask('POST', '', {
        ...{ name: args[0], scopes: flags.list('scope') },
        ...(space === undefined ? {} : { space }),
        ...lifeOf(flags),
      });
      done(`Service ${text(made, 'name')} created`);
      next(`postern service password ${text(made, 'name')}   (or: postern service token add)`);
      return { machine: text(made, 'id'), json: made };
    },
  });

  define(service, 'list', 'List the services', {
    examples: ['service list', 'service list --space northwind'],
    options: [
      ['--space <name>', 'of one space'],
      ['--at <node>', 'what that node runs, and no accounts'],
    ],
    run: async ({ flags }) => {
      const node = flags.text('at');
      if (node !== undefined) return listNodeServices(node);
      const space = flags.text('space');
      const query = space === undefined ? '' : `?space=${encodeURIComponent(space)}`;
      const rows = listOf(await ask('GET', query), 'services');
      return {
        plain: table(
          ['STATUS', 'NAME', 'SPACE', 'SCOPES', 'PASSWORD', 'ENDS', 'ID'],
          rows.map((r) => [
            ...[stateOf(r), text(r, 'name'), text(r, 'space'), scopesOf(r)],
            when(r, 'password_set_at', 'none'),
            ...[when(r, 'expires_at', 'never'), text(r, 'id')],
          ]),
          'No services. Create one: postern service create NAME',
        ),
        json: rows,
      };
    },
  });

  define(service, 'show <service>', 'Show a service', {
    examples: ['service show backup'],
    options: SPACE,
    run: async ({ args, flags }) => {
      const found = await ask('GET', pathOf(args[0], flags));
      const path = `/${text(found, 'id')}/tokens`;
      const tokens = listOf(await ask('GET', path), 'tokens');
      return { plain: lines(found, tokens), json: { ...Object(found), tokens } };
    },
  });

  for (const [word, disabled, said] of [
    ['disable', true, 'is shut out; its password and tokens work no more'],
    ['enable', false, 'may sign in again'],
  ] as const)
    define(
      service,
      `${word} <service>`,
      disabled ? 'Shut a service out at once' : 'Let a service in again',
      {
        options: SPACE,
        examples: [`service ${word} backup`],
        run: async ({ args, flags }) => {
          const changed = await ask('PATCH', pathOf(args[0], flags), { disabled });
          done(`Service ${text(changed, 'name')} ${said}`);
          return { json: changed };
        },
      },
    );

  define(service, 'password <service>', 'Give it a new password; the old one stops working', {
    options: [['--remove', 'take the password away'], ...SPACE],
    examples: ['service password backup', 'service password backup --remove'],
    run: async ({ args, flags }) => {
      const path = pathOf(args[0], flags, '/password');
      if (flags.has('remove')) {
        await ask('DELETE', path);
        done(`Service ${args[0]} has no password any more`);
        return { json: { removed: args[0] } };
      }
      const made = await ask('POST', path);
      done(`The password of ${args[0]} was made; this is the only time it is shown`);
      return { machine: text(made, 'password'), json: made };
    },
  });

  define(service, 'delete <service>', 'Delete a service; its password and tokens stop working', {
    options: [['-y, --yes', 'without asking'], ...SPACE],
    examples: ['service delete backup'],
    run: async ({ args, flags }) => {
      if (!(await confirm(`Delete the service ${args[0]}?`, flags.has('yes')))) return undefined;
      await ask('DELETE', pathOf(args[0], flags));
      done(`Service ${args[0]} deleted`);
      return { json: { deleted: args[0] } };
    },
  });

  registerTokens(service);
  defineStart(service);
}

function registerTokens(service: Command): void {
  const token = family(service, 'token', "A service's tokens", [
    'service token add backup nightly --expires 90d',
  ]);
  define(token, 'add <service> <name>', 'Give it a token; it is printed once', {
    options: [['--scope <scope>', 'less than the service may', 'list'], ...LIFE, ...SPACE],
    examples: ['service token add backup nightly --expires 90d'],
    run: async ({ args, flags }) => {
      const scopes = flags.list('scope');
      const made = await ask('POST', pathOf(args[0], flags, '/tokens'), {
        name: args[1],
        ...(scopes.length === 0 ? {} : { scopes }),
        ...lifeOf(flags),
      });
      done(`Token ${args[1]} of ${args[0]} created; this is the only time it is shown`);
      return { machine: text(made, 'token'), json: made };
    },
  });
  define(token, 'list <service>', 'List its tokens', {
    examples: ['service token list backup'],
    options: SPACE,
    run: async ({ args, flags }) => {
      const rows = listOf(await ask('GET', pathOf(args[0], flags, '/tokens')), 'tokens');
      return {
        plain: table(
          ['NAME', 'SCOPES', 'CREATED', 'ENDS', 'ID'],
          rows.map((r) => [
            field(r, 'by_password') === true ? '(signed in)' : text(r, 'name'),
            ...[scopesOf(r), when(r, 'created_at'), when(r, 'expires_at', 'never')],
            text(r, 'id'),
          ]),
          `No tokens. Add one: postern service token add ${args[0]} NAME`,
        ),
        json: rows,
      };
    },
  });
  define(token, 'revoke <service> <name-or-id>', 'Revoke a token; it stops working at once', {
    examples: ['service token revoke backup nightly'],
    options: SPACE,
    run: async ({ args, flags }) => {
      const below = `/tokens/${encodeURIComponent(args[1] ?? '')}`;
      await ask('DELETE', pathOf(args[0], flags, below));
      done(`Token ${args[1]} of ${args[0]} revoked`);
      return { json: { revoked: args[1] } };
    },
  });
}
