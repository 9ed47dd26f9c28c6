/** `client`: applications that people sign in to by the OpenID Provider. */
import type { Command } from 'commander';
import { define, type Flags, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { field, text } from '../json.ts';
import { asOperator, listOf } from '../membership.ts';
import { relativeTime, table } from '../output.ts';
import { confirm, done, next } from '../talk.ts';

const TYPES = ['web', 'spa', 'native', 'service'];

type Option = readonly [string, string, ('list' | 'hidden' | 'required')?];
const ADDRESSES: readonly Option[] = [
  ['--callback <url>', 'where sign-ins come back to; may be repeated', 'list'],
  ['--logout-url <url>', 'where sign-outs may lead; may be repeated', 'list'],
  ['--origin <origin>', 'whose scripts may call the provider; may be repeated', 'list'],
  ['--backchannel-logout-url <url>', 'told when a session ends'],
  ['--home-page <url>', "the application's own address, shown to people"],
];

function changes(flags: Flags): Record<string, unknown> {
  const some = (list: string[]): string[] | undefined => (list.length === 0 ? undefined : list);
  const all = {
    callback_urls: some(flags.list('callback')),
    logout_urls: some(flags.list('logoutUrl')),
    web_origins: some(flags.list('origin')),
    backchannel_logout_url: flags.text('backchannelLogoutUrl'),
    uri: flags.text('homePage'),
  };
  return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined));
}

const SERVER: readonly Option[] = [
  ['--server <url>', 'ask that server as yourself: by POSTERN_AUTHTOKEN, or signing in'],
  ['--ca <file>', "the server's ca.pem, when this machine does not know its certificate"],
];

/** Asks the management API: as operator, or with `--server` as the person of an authtoken or a sign-in. */
async function operate(
  flags: Flags,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const url = flags.text('server');
  if (url === undefined) return asOperator((c) => c.request(method, path, body));
  const { askServer, publicServer, signIn } = await import('../sign-in.ts');
  const server = publicServer(url, flags.text('ca'));
  const token = process.env['POSTERN_AUTHTOKEN'] || (await signIn(server));
  return askServer(server, token, method, path, body);
}

const segment = (args: readonly string[]): string => encodeURIComponent(args[0] ?? '');

function lines(client: unknown): string {
  const rows: readonly [string, string][] = [
    ['id', text(client, 'id')],
    ['type', text(client, 'type')],
    ['callback', listOf(field(client, 'callback_urls'), '').join(' ') || '-'],
    ['logout', listOf(field(client, 'logout_urls'), '').join(' ') || '-'],
    ['origins', listOf(field(client, 'web_origins'), '').join(' ') || '-'],
    ['asks', field(client, 'first_party') === true ? 'nobody for consent' : 'people for consent'],
    ['owner', text(client, 'owner') || '-'],
  ];
  return [
    text(client, 'name'),
    ...rows.map(([name, value]) => `  ${name.padEnd(9)} ${value}`),
  ].join('\n');
}

/** Adds the family. */
export function register(program: Command): void {
  const client = family(program, 'client', 'Applications that people sign in to (OpenID Connect)', [
    'client create shop --callback https://shop.example.org/callback',
    'client create robot --type service',
    'client list',
  ]);

  define(client, 'create <name>', 'Create an application; its secret is printed once', {
    options: [
      ['--type <type>', 'web (default), spa, native or service'],
      ['--id <id>', 'a client id of your own choice'],
      ...ADDRESSES,
      ['--third-party', 'people are asked for their consent'],
      ...SERVER,
    ],
    examples: [
      'client create shop --callback https://shop.example.org/callback --logout-url https://shop.example.org/',
      'client create robot --type service',
    ],
    run: async ({ args, flags }) => {
      const type = flags.text('type') ?? 'web';
      if (!TYPES.includes(type))
        throw usageError(`--type "${type}" is not known; it is one of ${TYPES.join(', ')}`);
      const id = flags.text('id');
      const made = await operate(flags, 'POST', '/api/v1/clients', {
        ...{ name: args[0], type },
        ...(id === undefined ? {} : { id }),
        ...changes(flags),
        ...(flags.has('thirdParty') ? { first_party: false } : {}),
      });
      const secret = text(made, 'secret');
      done(`Application ${args[0]} created, client id ${text(made, 'id')}`);
      if (secret !== '') next('Keep the secret now: it is not shown again');
      const shown = [`client_id     ${text(made, 'id')}`];
      if (secret !== '') shown.push(`client_secret ${secret}`);
      return { plain: shown.join('\n'), json: made };
    },
  });

  define(client, 'list', 'List the applications', {
    examples: ['client list', 'client list --server https://id.example.org   (your own)'],
    options: SERVER,
    run: async ({ flags }) => {
      const rows = listOf(await operate(flags, 'GET', '/api/v1/clients'), 'clients');
      return {
        plain: table(
          ['NAME', 'TYPE', 'CREATED', 'CLIENT ID'],
          rows.map((r) => [
            text(r, 'name'),
            text(r, 'type'),
            relativeTime(Date.parse(text(r, 'created_at')), Date.now()),
            text(r, 'id'),
          ]),
          'No applications yet. Create one: postern client create NAME --callback URL',
        ),
        json: rows,
      };
    },
  });

  define(client, 'show <id>', 'Show an application', {
    examples: ['client show CLIENT_ID'],
    options: SERVER,
    run: async ({ args, flags }) => {
      const found = await operate(flags, 'GET', `/api/v1/clients/${segment(args)}`);
      return { plain: lines(found), json: found };
    },
  });

  define(client, 'update <id>', 'Change what is given; a list replaces the list before', {
    options: [['--name <name>', 'its name'], ...ADDRESSES, ...SERVER],
    examples: [
      'client update CLIENT_ID --callback https://shop.example.org/callback --callback http://localhost:8080/callback',
      'client update CLIENT_ID --name "The shop"',
    ],
    run: async ({ args, flags }) => {
      const name = flags.text('name');
      const body = { ...(name === undefined ? {} : { name }), ...changes(flags) };
      if (Object.keys(body).length === 0)
        throw usageError('Nothing to change was given', 'postern client update --help');
      const changed = await operate(flags, 'PATCH', `/api/v1/clients/${segment(args)}`, body);
      done(`Application ${text(changed, 'name')} changed`);
      return { plain: lines(changed), json: changed };
    },
  });

  define(client, 'rotate-secret <id>', 'Replace the secret; the old one stops working at once', {
    examples: ['client rotate-secret CLIENT_ID'],
    options: SERVER,
    run: async ({ args, flags }) => {
      const made = await operate(flags, 'POST', `/api/v1/clients/${segment(args)}/secret`);
      done(`The secret of ${args[0]} was replaced; this is the only time it is shown`);
      return { machine: text(made, 'secret'), json: made };
    },
  });

  define(client, 'delete <id>', 'Delete an application; its tokens stop working', {
    options: [['-y, --yes', 'without asking'], ...SERVER],
    examples: ['client delete CLIENT_ID'],
    run: async ({ args, flags }) => {
      if (!(await confirm(`Delete the application ${args[0]}?`, flags.has('yes'))))
        return undefined;
      await operate(flags, 'DELETE', `/api/v1/clients/${segment(args)}`);
      done(`Application ${args[0]} deleted`);
      return { json: { deleted: args[0] } };
    },
  });

  define(client, 'keys', "List the provider's signing keys", {
    options: [['--rotate', 'make a new one, which signs from now on; the old stay published']],
    examples: ['client keys', 'client keys --rotate'],
    run: async ({ flags }) => {
      const method = flags.has('rotate') ? 'POST' : 'GET';
      const rows = listOf(await operate(flags, method, '/api/v1/oidc-keys'), 'keys');
      if (method === 'POST') done('A new key signs from now on');
      return {
        plain: table(
          ['SIGNS', 'MADE', 'KEY ID'],
          rows.map((r) => [
            field(r, 'current') === true ? 'yes' : 'no',
            relativeTime(Date.parse(text(r, 'created_at')), Date.now()),
            text(r, 'kid'),
          ]),
          'No keys yet: the first is made when an application first asks.',
        ),
        json: rows,
      };
    },
  });
}
