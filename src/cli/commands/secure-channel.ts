/** `secure-channel` and `secure-channel-listener`: channels between nodes, opened by hand. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { callNode, nodeNamed, segment } from '../access.ts';
import { define, family } from '../command.ts';
import { ExitError } from '../exit.ts';
import { explainFailure } from '../failure.ts';
import { compact, list, text } from '../json.ts';
import { table } from '../output.ts';
import { refuseOtherIdentity } from '../refusals.ts';
import { confirm, done } from '../talk.ts';
import { notSupported } from './unsupported.ts';

const EXIT_LISTENER = 73;
const EXIT_MISMATCH = 76;

/** Adds the families. */
export function register(program: Command): void {
  const channel = family(program, 'secure-channel', 'Secure channels between nodes');
  define(channel, 'create', 'Open a secure channel', {
    options: [
      ['-f, --from <node>', 'the node that opens it'],
      ['-t, --to <route>', "the route to the other node's listener", 'required'],
      ['-a, --authorized <identifier>', 'insist on this identity', 'list'],
      ['-c, --credential <name>', '', 'hidden'],
      ['--identity <name>', 'the identity to use'],
    ],
    run: async ({ flags }) => {
      const node = nodeNamed(flags.text('from'));
      refuseOtherIdentity(node, flags);
      if (flags.text('credential') !== undefined) throw notSupported('--credential');
      const authorized = flags.list('authorized');
      const answer = await callNode(
        node,
        'POST',
        '/v1/secure-channels',
        compact({
          to: flags.required('to'),
          authorized: authorized.length === 0 ? undefined : authorized,
        }),
      );
      const address = channelAddress(text(answer, 'addr') || text(answer, 'address'));
      done(`Secure channel open at ${address}`);
      return {
        machine: address,
        json: [{ address, ...(typeof answer === 'object' ? answer : {}) }],
      };
    },
  });
  define(channel, 'list', "List a node's secure channels", {
    options: [['--at <node>', 'the node']],
    run: async ({ flags }) => {
      const rows = list(await callNode(nodeNamed(flags.text('at')), 'GET', '/v1/secure-channels'));
      return {
        plain: table(
          ['ADDRESS', 'PEER', 'KEY EXCHANGE'],
          rows.map((r) => [
            channelAddress(text(r, 'addr') || text(r, 'address')),
            text(r, 'peer'),
            text(r, 'group'),
          ]),
          'No secure channels.',
        ),
        json: rows,
      };
    },
  });
  define(channel, 'show <address>', 'Show a secure channel', {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => ({
      json: await callNode(
        nodeNamed(flags.text('at')),
        'GET',
        `/v1/secure-channels/${segment(bare(args[0]))}`,
      ),
    }),
  });
  define(channel, 'delete <address>', 'Close a secure channel', {
    options: [
      ['--at <node>', 'the node'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }) => {
      const name = bare(args[0]);
      if (!(await confirm(`Close the secure channel ${name}?`, flags.has('yes')))) return undefined;
      const node = nodeNamed(flags.text('at'));
      const answer = await callNode(node, 'DELETE', `/v1/secure-channels/${segment(name)}`);
      const closed = bare(text(answer, 'addr') || text(answer, 'address'));
      if (closed !== name)
        throw new ExitError(
          EXIT_MISMATCH,
          new PosternError('internal', `Node ${node} closed "${closed}" instead of ${name}`),
        );
      done(`Secure channel ${name} closed`);
      return { machine: `/service/${name}`, json: { channel: name } };
    },
  });

  const listener = family(
    program,
    'secure-channel-listener',
    'Where a node accepts secure channels',
  );
  define(listener, 'create <address>', 'Accept secure channels under another name', {
    options: [
      ['--at <node>', 'the node'],
      ['-a, --authorized <identifier>', 'accept this identity alone', 'list'],
      ['--identity <name>', 'the identity to present'],
      ['--vault <name>', '', 'hidden'],
    ],
    run: async ({ args, flags }) => {
      const name = bare(args[0]);
      const node = nodeNamed(flags.text('at'));
      refuseOtherIdentity(node, flags);
      const authorized = flags.list('authorized');
      try {
        const answer = await callNode(
          node,
          'POST',
          '/v1/secure-channel-listeners',
          compact({
            address: name,
            authorized: authorized.length === 0 ? undefined : authorized,
          }),
        );
        done(`Secure channel listener ${name} created`);
        return {
          machine: `/service/${name}`,
          json: [{ ...(typeof answer === 'object' ? answer : {}), address: name }],
        };
      } catch (error) {
        const failure = explainFailure(error);
        throw failure instanceof PosternError ? new ExitError(EXIT_LISTENER, failure) : failure;
      }
    },
  });
  define(listener, 'list', "List a node's listeners", {
    options: [['--at <node>', 'the node']],
    run: async ({ flags }) => {
      const rows = list(
        await callNode(nodeNamed(flags.text('at')), 'GET', '/v1/secure-channel-listeners'),
      );
      return {
        plain: rows.map((r) => text(r, 'addr') || text(r, 'address')).join('\n'),
        json: rows,
      };
    },
  });
  define(listener, 'show <address>', 'Show a listener', {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => ({
      json: await callNode(
        nodeNamed(flags.text('at')),
        'GET',
        `/v1/secure-channel-listeners/${segment(bare(args[0]))}`,
      ),
    }),
  });
  define(listener, 'delete <address>', 'Delete a listener', {
    options: [
      ['--at <node>', 'the node'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }) => {
      const name = bare(args[0]);
      if (!(await confirm(`Delete the listener ${name}?`, flags.has('yes')))) return undefined;
      await callNode(
        nodeNamed(flags.text('at')),
        'DELETE',
        `/v1/secure-channel-listeners/${segment(name)}`,
      );
      done(`Secure channel listener ${name} deleted`);
      return { machine: `/service/${name}`, json: { address: name } };
    },
  });
}

const bare = (given = ''): string => given.replace(/^\/service\//, '');
const channelAddress = (given: string): string => `/service/${bare(given)}`;
