/** `relay`: the meeting points through which inlets reach this machine's outlets. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { callNode, nodeNamed, segment } from '../access.ts';
import { nodeNamedOrNew } from '../background.ts';
import { define, family } from '../command.ts';
import { compact, list, text } from '../json.ts';
import { status, table } from '../output.ts';
import { confirm, done, next, waiting, warn } from '../talk.ts';
import { retryOptions } from './shared-options.ts';
import { notSupported } from './unsupported.ts';

/** Adds the family. */
export function register(program: Command): void {
  const relay = family(program, 'relay', 'Meeting points that inlets dial', [
    'relay create db',
    'relay list',
  ]);

  define(relay, 'create [name]', 'Hold a relay, so that inlets of the project reach this node', {
    options: [
      ['--to <node>', 'the node that holds it'],
      ['--at <route>', 'where it is: a project or a node (the default project)'],
      ['--authorized <identifier>', 'insist on this identity at the other side'],
      ['--relay-address <address>', '', 'hidden'],
      ['--project-relay <name>', '', 'hidden'],
      ['--no-connection-wait', 'do not wait until it is up'],
      ...retryOptions,
    ],
    examples: ['relay create', 'relay create db --to db'],
    run: async ({ args, flags }) => {
      if (flags.text('relayAddress') !== undefined) throw notSupported('--relay-address');
      // A relay of the project is the server, which the ticket pins; nothing here would check another identity.
      if (flags.text('authorized') !== undefined && isAtProject(flags.text('at')))
        throw notSupported('--authorized for a relay of the project');
      const node = await nodeNamedOrNew(flags.text('to'));
      const name = args[0] ?? flags.text('projectRelay') ?? 'default';
      const answer = await waiting(
        `waiting for relay ${name}`,
        callNode(
          node,
          'POST',
          '/v1/relays',
          compact({
            name,
            at: flags.text('at'),
            authorized: flags.text('authorized'),
            no_connection_wait: flags.isOff('connectionWait'),
          }),
        ),
      );
      if (text(answer, 'connection_status') === 'Up') {
        done(`Relay ${name} is up, held by node ${node} (/service/forward_to_${name})`);
        next(`postern tcp-inlet create --via ${name} --from 5433   (on the other machine)`);
      } else
        warn(
          `Relay ${name} is down: ${text(answer, 'last_failure') || 'not connected yet'}; node ${node} keeps trying`,
        );
      return { machine: `/service/forward_to_${name}`, json: answer };
    },
  });

  define(relay, 'list', 'List the relays a node holds', {
    options: [
      ['--to <node>', 'the node'],
      ['--at <node>', 'the same', 'hidden'],
    ],
    run: async ({ flags }) => {
      const node = nodeNamed(flags.text('to') ?? flags.text('at'));
      const rows = list(await callNode(node, 'GET', '/v1/relays'));
      return {
        plain: table(
          ['STATUS', 'NAME', 'WHY'],
          rows.map((r) => [
            status(text(r, 'connection_status')),
            text(r, 'name'),
            text(r, 'last_failure'),
          ]),
          `Node ${node} holds no relay. Create one: postern relay create`,
        ),
        json: rows,
      };
    },
  });

  define(relay, 'show [name]', 'Show a relay', {
    options: [
      ['--at <node>', 'the node'],
      ['--to <node>', 'the same', 'hidden'],
    ],
    run: async ({ args, flags }) => {
      const node = nodeNamed(flags.text('at') ?? flags.text('to'));
      const answer = await callNode(node, 'GET', `/v1/relays/${segment(relayName(args[0]))}`);
      const why = text(answer, 'last_failure');
      return {
        plain: `${status(text(answer, 'connection_status'))} relay ${text(answer, 'name')} held by node ${node}${why === '' ? '' : `\n  ${why}`}`,
        json: answer,
      };
    },
  });

  define(relay, 'delete [name]', 'Give a relay up', {
    options: [
      ['--at <node>', 'the node'],
      ['--to <node>', 'the same', 'hidden'],
      ['--all', 'every relay of the node'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }) => {
      const node = nodeNamed(flags.text('at') ?? flags.text('to'));
      const rows = list(await callNode(node, 'GET', '/v1/relays')).map((r) => text(r, 'name'));
      if (rows.length === 0) return { plain: '[]', json: [] };
      const names = flags.has('all') ? rows : [relayName(args[0])];
      const missing = names.find((name) => !rows.includes(name));
      if (missing !== undefined)
        throw new PosternError('not_found', `The relay ${missing} was not found at node ${node}`);
      const question = `Give up relay ${names.join(', ')}? Portals through it are cut`;
      if (!(await confirm(question, flags.has('yes')))) return undefined;
      for (const name of names) await callNode(node, 'DELETE', `/v1/relays/${segment(name)}`);
      done(`Relay ${names.join(', ')} deleted`);
      return { machine: names.join('\n'), json: { name: names[0] ?? '', node } };
    },
  });
}

const isAtProject = (at: string | undefined): boolean =>
  at === undefined || at.startsWith('/project/');

/** Accepts `db`, `forward_to_db` and `/service/forward_to_db`. */
function relayName(given = 'default'): string {
  return given.replace(/^\/service\//, '').replace(/^forward_to_/, '');
}
