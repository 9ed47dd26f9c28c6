/** `tcp-inlet`: a local port behind which a far service is. */
import type { Command } from 'commander';
import { newName, PosternError, parseDurationMs } from '../../kernel/index.ts';
import { parseAddress } from '../../trust/light.ts';
import { callNode, nodeNamed, segment } from '../access.ts';
import { nodeNamedOrNew } from '../background.ts';
import { define, type Flags, family } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { compact, list, text } from '../json.ts';
import { type Result, status, table } from '../output.ts';
import { refuseOtherIdentity } from '../refusals.ts';
import { confirm, done, next, waiting, warn } from '../talk.ts';
import { checkPolicyText } from './policy-text.ts';
import { retryOptions } from './shared-options.ts';
import { notSupported } from './unsupported.ts';

/** Adds the family. */
export function register(program: Command): void {
  const inlet = family(program, 'tcp-inlet', 'Reach a far service through a local port', [
    'tcp-inlet create --from 5433 --via db',
    'tcp-inlet list',
  ]);

  define(inlet, 'create', 'Listen on a local port for a far service', {
    options: [
      ['--from <address>', 'where to listen: HOST:PORT or PORT (a free port)'],
      ['--to <service>', 'the service, or a route to it (outlet)'],
      ['--via <relay>', 'the relay behind which it is (default)'],
      ['--at <node>', 'the node'],
      ['-a, --alias <name>', 'its name (a random one)'],
      ['--allow <expression>', 'which outlets it may use'],
      ['--expression <expression>', 'the same', 'hidden'],
      ['--identity <name>', 'the identity it uses'],
      ['--authorized <identifier>', 'insist on this identity at the other side'],
      ['--connection-wait <duration>', 'how long to wait for the outlet (5s)'],
      ['--retry-wait <duration>', '', 'hidden'],
      ['--timeout <duration>', 'never wait longer than this (10s)'],
      ['--no-connection-wait', 'do not wait for the outlet'],
      ['--tls', '', 'hidden'],
      ['--tls-certificate-provider <route>', '', 'hidden'],
      ['--udp', '', 'hidden'],
      ['--no-tcp-fallback', '', 'hidden'],
      ['--ebpf', '', 'hidden'],
      ...retryOptions,
    ],
    examples: [
      'tcp-inlet create --from 5433',
      'tcp-inlet create --from 0.0.0.0:3000 --via monitoring-api',
    ],
    run: ({ flags }) => create(flags),
  });

  define(inlet, 'list', "List a node's inlets", {
    options: [['--at <node>', 'the node']],
    run: async ({ flags }) => {
      const node = nodeNamed(flags.text('at'));
      const rows = list(await callNode(node, 'GET', '/v1/inlets'));
      return {
        plain: table(
          ['STATUS', 'ALIAS', 'LISTENS ON', 'TO'],
          rows.map((r) => [
            status(text(r, 'status')),
            text(r, 'alias'),
            text(r, 'bind_addr'),
            text(r, 'outlet_addr') || text(r, 'outlet_route'),
          ]),
          `Node ${node} has no inlet. Create one: postern tcp-inlet create --from PORT`,
        ),
        json: rows,
      };
    },
  });

  define(inlet, 'show [alias]', 'Show an inlet', {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => {
      const node = nodeNamed(flags.text('at'));
      const answer = await callNode(
        node,
        'GET',
        `/v1/inlets/${segment(await aliasOf(node, args[0]))}`,
      );
      const why = text(answer, 'last_failure');
      return {
        plain: `${status(text(answer, 'status'))} inlet ${text(answer, 'alias')} on ${text(answer, 'bind_addr')} → ${text(answer, 'outlet_addr') || text(answer, 'outlet_route')}${why === '' ? '' : `\n  ${why}`}`,
        json: answer,
      };
    },
  });

  define(inlet, 'delete [alias]', 'Stop listening', {
    options: [
      ['--at <node>', 'the node'],
      ['--all', 'every inlet of the node'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }): Promise<Result | undefined> => {
      const node = nodeNamed(flags.text('at'));
      const rows = list(await callNode(node, 'GET', '/v1/inlets')).map((r) => text(r, 'alias'));
      if (rows.length === 0 && args[0] === undefined) return { plain: '[]', json: [] };
      const names = flags.has('all') ? rows : [await aliasOf(node, args[0])];
      const missing = names.find((name) => !rows.includes(name));
      if (missing !== undefined)
        throw new PosternError('not_found', `The inlet ${missing} was not found at node ${node}`);
      const question = `Delete inlet ${names.join(', ')}? Its connections are cut`;
      if (!(await confirm(question, flags.has('yes')))) return undefined;
      for (const name of names) await callNode(node, 'DELETE', `/v1/inlets/${segment(name)}`);
      done(`Inlet ${names.join(', ')} deleted`);
      return {
        json: flags.has('all')
          ? names.map((alias) => ({ alias, node }))
          : { alias: names[0] ?? '', node },
      };
    },
  });
}

async function aliasOf(node: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const [only, another] = list(await callNode(node, 'GET', '/v1/inlets')).map((r) =>
    text(r, 'alias'),
  );
  if (only === undefined || another !== undefined)
    throw new PosternError(
      only === undefined ? 'not_found' : 'invalid',
      only === undefined
        ? `An inlet was not found at node ${node}`
        : 'There are several inlets: name one',
    );
  return only;
}

async function create(flags: Flags): Promise<Result> {
  if (flags.has('tls') || flags.text('tlsCertificateProvider') !== undefined)
    throw notSupported('TLS at an inlet');
  if (flags.has('udp')) warn('--udp is ignored: portals here travel over TCP');
  const from = flags.text('from');
  const via = flags.text('via');
  if (via?.includes('/'))
    throw usageError(
      `--via takes the name of a relay, and "${via}" is a route`,
      'Give the whole route with --to and leave --via out',
    );
  const bind =
    from === undefined ? { host: '127.0.0.1', port: 0 } : asUsage(() => parseAddress(from));
  const allow = checkPolicyText(flags.text('allow') ?? flags.text('expression'));
  const waits = {
    connection_wait_ms: flags.durationMs('connectionWait') ?? parseDurationMs('5s'),
    timeout_ms: flags.durationMs('timeout') ?? parseDurationMs('10s'),
  };
  // Checked and not sent: a node tries again by itself, a fraction of a second to two seconds apart.
  flags.durationMs('retryWait');
  const node = await nodeNamedOrNew(flags.text('at'));
  refuseOtherIdentity(node, flags);
  const alias = flags.text('alias') ?? newName();
  const answer = await waiting(
    `waiting for the outlet of inlet ${alias}`,
    callNode(
      node,
      'POST',
      '/v1/inlets',
      compact({
        alias,
        from: `${bind.host.includes(':') ? `[${bind.host}]` : bind.host}:${bind.port}`,
        to: flags.text('to'),
        via,
        authorized: flags.text('authorized'),
        allow,
        ...waits,
        no_connection_wait: flags.isOff('connectionWait'),
      }),
    ),
  );
  const address = text(answer, 'bind_addr');
  const to = text(answer, 'outlet_addr') || text(answer, 'outlet_route');
  if (text(answer, 'status') === 'Up') {
    done(`Inlet ${alias} listens on ${address} → ${to}`);
    next(`nc ${address.replace(/:(\d+)$/, ' $1')}`);
  } else {
    warn(
      `Inlet ${alias} listens on ${address}, and its outlet can't be reached yet: ${text(answer, 'last_failure') || 'no answer in time'}; node ${node} keeps trying`,
    );
  }
  return { machine: address, json: answer };
}
