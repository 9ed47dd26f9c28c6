/** `tcp-outlet`: a local service, offered to the inlets that its policy lets in. */
import type { Command } from 'commander';
import { newName, PosternError } from '../../kernel/index.ts';
import { parseAddress } from '../../trust/light.ts';
import { callNode, nodeNamed, segment } from '../access.ts';
import { nodeNamedOrNew } from '../background.ts';
import { define, family } from '../command.ts';
import { asUsage } from '../exit.ts';
import { compact, list, text } from '../json.ts';
import { type Result, table } from '../output.ts';
import { confirm, done, next, warn } from '../talk.ts';
import { onlyOne } from './only-one.ts';
import { checkPolicyText } from './policy-text.ts';

/** Adds the family. */
export function register(program: Command): void {
  const outlet = family(program, 'tcp-outlet', 'Offer a local service to inlets elsewhere', [
    'tcp-outlet create --to 5432',
    'tcp-outlet list --at db',
  ]);

  define(outlet, 'create', 'Offer a TCP service that this machine can reach', {
    options: [
      ['--to <address>', 'the service: HOST:PORT or PORT', 'required'],
      ['--from <name>', 'the name under which inlets find it (outlet)'],
      ['--at <node>', 'the node'],
      ['--allow <expression>', 'who may use it'],
      ['--expression <expression>', 'the same', 'hidden'],
      ['--tls', 'connect to the service with TLS'],
      ['--ebpf', '', 'hidden'],
    ],
    examples: [
      'tcp-outlet create --to 5432',
      'tcp-outlet create --to db.internal:5432 --allow component.web',
    ],
    run: async ({ flags }) => {
      const given = flags.required('to');
      const { host, port } = asUsage(() => parseAddress(given));
      const to = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      const allow = checkPolicyText(flags.text('allow') ?? flags.text('expression'));
      if (flags.has('ebpf')) warn('--ebpf is ignored: portals here need no eBPF');
      const node = await nodeNamedOrNew(flags.text('at'));
      const taken = list(await callNode(node, 'GET', '/v1/outlets')).map(outletName);
      const name =
        serviceName(flags.text('from')) ?? (taken.includes('outlet') ? newName() : 'outlet');
      const answer = await callNode(
        node,
        'POST',
        '/v1/outlets',
        compact({ name, to, tls: flags.has('tls'), allow }),
      );
      done(`Outlet /service/${name} at node ${node} → ${to}`);
      next('postern relay create');
      return { machine: `/service/${name}`, json: answer };
    },
  });

  define(outlet, 'list', "List a node's outlets", {
    options: [['--at <node>', 'the node']],
    run: async ({ flags }) => {
      const node = nodeNamed(flags.text('at'));
      const rows = list(await callNode(node, 'GET', '/v1/outlets'));
      return {
        plain: table(
          ['NAME', 'TO'],
          rows.map((r) => [outletName(r), text(r, 'to')]),
          `Node ${node} has no outlet. Create one: postern tcp-outlet create --to PORT`,
        ),
        json: rows,
      };
    },
  });

  define(outlet, 'show [name]', 'Show an outlet', {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => {
      const node = nodeNamed(flags.text('at'));
      const name = serviceName(args[0]) ?? 'outlet';
      const answer = await callNode(node, 'GET', `/v1/outlets/${segment(name)}`);
      return { plain: `outlet ${name} at node ${node} → ${text(answer, 'to')}`, json: answer };
    },
  });

  define(outlet, 'delete [name]', 'Stop offering a service', {
    options: [
      ['--at <node>', 'the node'],
      ['--all', 'every outlet of the node'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }): Promise<Result | undefined> => {
      const node = nodeNamed(flags.text('at'));
      const rows = list(await callNode(node, 'GET', '/v1/outlets')).map(outletName);
      if (rows.length === 0) return { plain: '[]', json: [] };
      const names = flags.has('all') ? rows : [serviceName(args[0]) ?? onlyOne(rows, 'outlets')];
      const missing = names.find((name) => !rows.includes(name));
      if (missing !== undefined)
        throw new PosternError('not_found', `The outlet ${missing} was not found at node ${node}`);
      const question = `Delete outlet ${names.join(', ')}? Portals to it are cut`;
      if (!(await confirm(question, flags.has('yes')))) return undefined;
      for (const name of names) await callNode(node, 'DELETE', `/v1/outlets/${segment(name)}`);
      done(`Outlet ${names.join(', ')} deleted`);
      return {
        machine: names.join('\n'),
        json: flags.has('all')
          ? names.map((alias) => ({ alias, node }))
          : { alias: names[0] ?? '', node },
      };
    },
  });
}

const serviceName = (given: string | undefined): string | undefined =>
  given?.replace(/^\/service\//, '');

const outletName = (row: unknown): string =>
  (text(row, 'worker_address') || text(row, 'worker_addr') || text(row, 'name')).replace(
    /^\/?(service\/)?/,
    '',
  );
