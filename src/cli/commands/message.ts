/** `message` and `worker`: talking to the services that every node runs. */
import type { Command } from 'commander';
import { newName, parseDurationMs } from '../../kernel/index.ts';
import { callNode, nodeNamed, openHomeOnce } from '../access.ts';
import { define, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { compact, list, text } from '../json.ts';
import { refuseForeignTrust, refuseOtherIdentity } from '../refusals.ts';
import { retryOptions, trustOptions } from './shared-options.ts';

/** Adds the families. */
export function register(program: Command): void {
  const message = family(program, 'message', 'Send a message to a service');
  define(message, 'send <message>', 'Send a message and print the reply', {
    options: [
      ['-f, --from <node>', 'the node that sends; one is made for the occasion when left out'],
      ['-t, --to <route>', 'the route', 'required'],
      ['--hex', 'the message and the reply are hex'],
      ['--timeout <duration>', 'how long to wait for the reply (10s)'],
      ['--identity <name>', 'the identity that sends'],
      ...trustOptions,
      ...retryOptions,
    ],
    examples: ['message send hello --to /node/n1/service/uppercase'],
    run: async ({ args, flags }) => {
      const given = args[0] ?? '';
      refuseForeignTrust(flags);
      const from = flags.text('from');
      if (from !== undefined) refuseOtherIdentity(nodeNamed(from), flags);
      const isHex = flags.has('hex');
      if (isHex && !/^([0-9a-fA-F]{2})*$/.test(given)) throw usageError('The message is not hex');
      const to = flags.required('to');
      const body = {
        to,
        body_hex: isHex ? given : Buffer.from(given).toString('hex'),
        timeout_ms: flags.durationMs('timeout') ?? parseDurationMs('10s'),
      };
      const answer = await sendFrom(from, to, body, flags.text('identity'));
      const reply = text(answer, 'body_hex');
      return { machine: isHex ? reply : Buffer.from(reply, 'hex').toString(), json: answer };
    },
  });

  const worker = family(program, 'worker', "A node's workers");
  define(worker, 'list', "List a node's workers", {
    options: [['--at <node>', 'the node']],
    run: async ({ flags }) => {
      const rows = list(await callNode(nodeNamed(flags.text('at')), 'GET', '/v1/workers'));
      return {
        plain: rows.map((r) => text(r, 'addr') || text(r, 'address')).join('\n'),
        json: { workers: rows },
      };
    },
  });
}

/** Sends from the named node, or from one that lives for this message alone. */
async function sendFrom(
  given: string | undefined,
  to: string,
  body: unknown,
  identity: string | undefined,
): Promise<unknown> {
  const first = /^\/node\/([^/]+)/.exec(to)?.[1];
  if (first !== undefined && openHomeOnce().nodes.find(first) === undefined) nodeNamed(first);
  if (given !== undefined) return callNode(nodeNamed(given), 'POST', '/v1/messages', body);
  // Only a far route needs a sender: a node of this home takes the message itself.
  if (first !== undefined && identity === undefined)
    return callNode(first, 'POST', '/v1/messages', body);
  const { createBackgroundNode, deleteNode } = await import('../background.ts');
  const name = await createBackgroundNode(compact({ name: newName(), identity }));
  try {
    return await callNode(name, 'POST', '/v1/messages', body);
  } finally {
    await deleteNode(name);
  }
}
