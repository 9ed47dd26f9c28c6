/** `service` in Ockam's sense: what a node runs and answers messages. */
import type { Command } from 'commander';
import { callNode, nodeNamed } from '../access.ts';
import { define, family } from '../command.ts';
import { list, text } from '../json.ts';
import { type Result, table } from '../output.ts';
import { done } from '../talk.ts';
import { notSupported } from './unsupported.ts';

/** The services of a node; of the default one when none is named. */
export async function listNodeServices(node: string | undefined): Promise<Result> {
  const rows = list(await callNode(nodeNamed(node), 'GET', '/v1/services'));
  return {
    plain: table(
      ['TYPE', 'ADDRESS'],
      rows.map((r) => [text(r, 'type'), text(r, 'addr')]),
      'No services.',
    ),
    json: rows,
  };
}

/** Adds `start`, which is no word of service accounts. */
export function defineStart(service: Command): void {
  define(service, 'start <type>', 'Start a service on a node: hop', {
    options: [
      ['--addr <name>', 'its name'],
      ['--at <node>', 'the node'],
    ],
    run: async ({ args, flags }) => {
      const type = args[0] ?? '';
      if (type !== 'hop') throw notSupported(`The service ${type}`);
      const addr = flags.text('addr') ?? 'hop';
      const answer = await callNode(nodeNamed(flags.text('at')), 'POST', '/v1/services', {
        type,
        addr,
      });
      done(`Service ${type} runs at ${addr}`);
      return { machine: `/service/${addr}`, json: answer ?? { type, addr } };
    },
  });
}

/** Adds the family. */
export function register(program: Command): void {
  const service = family(program, 'service', "A node's services");
  define(service, 'list', "List a node's services", {
    options: [['--at <node>', 'the node']],
    run: ({ flags }) => listNodeServices(flags.text('at')),
  });
  defineStart(service);
}
