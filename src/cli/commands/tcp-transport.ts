/** `tcp-connection` and `tcp-listener`: a node's transport, seen and set by hand. */
import type { Command } from 'commander';
import { parseAddress } from '../../trust/light.ts';
import { callNode, nodeNamed, segment } from '../access.ts';
import { define, family } from '../command.ts';
import { asUsage } from '../exit.ts';
import { list, text } from '../json.ts';
import { table } from '../output.ts';
import { confirm, done } from '../talk.ts';

const address = (given: string): string => {
  const { host, port } = asUsage(() => parseAddress(given));
  return `${host}:${port}`;
};

/** Adds the families. */
export function register(program: Command): void {
  const connection = family(program, 'tcp-connection', "A node's TCP connections to other nodes");
  define(connection, 'create', 'Connect a node to an address', {
    options: [
      ['--from <node>', 'the node'],
      ['-t, --to <address>', 'the address', 'required'],
    ],
    run: async ({ flags }) => {
      const node = nodeNamed(flags.text('from'));
      const to = address(flags.required('to'));
      const answer = await callNode(node, 'POST', '/v1/tcp-connections', { to });
      done(`Node ${node} is connected to ${to}`);
      return { json: { from: node, ...(typeof answer === 'object' ? answer : {}) } };
    },
  });
  addReading(connection, '/v1/tcp-connections', 'connection');

  const listener = family(program, 'tcp-listener', 'Where a node listens for other nodes');
  define(listener, 'create <address>', 'Listen on another address', {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => {
      const node = nodeNamed(flags.text('at'));
      const answer = await callNode(node, 'POST', '/v1/tcp-listeners', {
        address: address(args[0] ?? ''),
      });
      const bound = parseAddress(
        text(answer, 'bind_addr') || text(answer, 'address') || (args[0] ?? ''),
      );
      done(`Node ${node} listens on ${bound.host}:${bound.port}`);
      return { machine: `/dnsaddr/localhost/tcp/${bound.port}`, json: answer };
    },
  });
  addReading(listener, '/v1/tcp-listeners', 'listener');
}

function addReading(parent: Command, path: string, noun: string): void {
  define(parent, 'list', `List the ${noun}s`, {
    options: [['--at <node>', 'the node']],
    run: async ({ flags }) => {
      const rows = list(await callNode(nodeNamed(flags.text('at')), 'GET', path));
      return {
        plain: table(
          ['ADDRESS', 'ID'],
          rows.map((r) => [
            text(r, 'bind_addr') || text(r, 'address') || text(r, 'to'),
            text(r, 'id'),
          ]),
          `No ${noun}s.`,
        ),
        json: rows,
      };
    },
  });
  define(parent, 'show <address>', `Show a ${noun}`, {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => ({
      json: await callNode(nodeNamed(flags.text('at')), 'GET', `${path}/${segment(args[0] ?? '')}`),
    }),
  });
  define(parent, 'delete <address>', `Close a ${noun}`, {
    options: [
      ['--at <node>', 'the node'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }) => {
      const given = args[0] ?? '';
      if (!(await confirm(`Close the ${noun} ${given}?`, flags.has('yes')))) return undefined;
      await callNode(nodeNamed(flags.text('at')), 'DELETE', `${path}/${segment(given)}`);
      done(`The ${noun} ${given} is closed`);
      return { machine: given, json: { address: given } };
    },
  });
}
