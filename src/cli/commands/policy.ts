/** `policy`: who may use a node's outlets, inlets and relays. */
import type { Command } from 'commander';
import { callNode, nodeNamed, segment } from '../access.ts';
import { nodeNamedOrNew } from '../background.ts';
import { define, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { compact, list, text } from '../json.ts';
import { type Result, table } from '../output.ts';
import { confirm, done, next, warn } from '../talk.ts';
import { checkPolicyText } from './policy-text.ts';

const TYPES: ReadonlySet<string> = new Set([
  'tcp-inlet',
  'tcp-outlet',
  'echoer',
  'kafka-consumer',
  'kafka-producer',
  'relay',
  'lessor',
]);

/** Adds the family. */
export function register(program: Command): void {
  const policy = family(program, 'policy', "Who may use a node's outlets and inlets", [
    "policy create --resource-type tcp-outlet --allow 'component.web'",
    'policy list --at db',
  ]);

  define(policy, 'create', 'Set the policy of a resource or of a resource type', {
    options: [
      ['--at <node>', 'the node'],
      ['--resource-type <type>', `one of ${[...TYPES].join(', ')}`],
      ['--resource <name>', 'the name of an outlet or an inlet'],
      ['--allow <expression>', 'who may, such as component.web'],
      ['--expression <expression>', 'the same'],
    ],
    examples: [
      "policy create --resource-type tcp-outlet --allow 'component.web'",
      `policy create --resource db --expression '(= subject.component "web")'`,
    ],
    run: async ({ flags }) => {
      const expression = checkPolicyText(flags.text('allow') ?? flags.text('expression'));
      if (expression === undefined) throw usageError('Say who may: --allow EXPRESSION');
      const target = resourceOf(flags.text('resource'), flags.text('resourceType'));
      const node = await nodeNamedOrNew(flags.text('at'));
      const answer = await callNode(node, 'POST', '/v1/policies', { ...target, expression });
      const name = target.resource ?? target.resource_type ?? '';
      done(`Policy of ${name} at node ${node}: ${text(answer, 'expression') || expression}`);
      next(`postern policy list --at ${node}`);
      return { json: answer };
    },
  });

  const show = async (node: string, name: string | undefined): Promise<Result> => {
    const rows = list(await callNode(node, 'GET', '/v1/policies')).filter(
      (r) => name === undefined || text(r, 'resource') === name,
    );
    return {
      plain: table(
        ['RESOURCE', 'ALLOWS'],
        rows.map((r) => [text(r, 'resource'), text(r, 'expression')]),
        name === undefined
          ? `Node ${node} has no policy of its own: members of the project may use it.`
          : `There is no policy of that name at node ${node}.`,
      ),
      json: name !== undefined && rows.length === 1 ? rows[0] : rows,
    };
  };

  define(policy, 'show [type-or-name]', 'Show a policy', {
    options: [['--at <node>', 'the node']],
    run: ({ args, flags }) => show(nodeNamed(flags.text('at')), args[0]),
  });

  define(policy, 'list [type-or-name]', "List a node's policies", {
    options: [['--at <node>', 'the node']],
    run: async ({ args, flags }) => {
      const result = await show(nodeNamed(flags.text('at')), args[0]);
      return { ...result, json: Array.isArray(result.json) ? result.json : [result.json] };
    },
  });

  define(policy, 'delete [type-or-name]', 'Delete a policy', {
    options: [
      ['--at <node>', 'the node'],
      ['--resource <name>', '', 'hidden'],
      ['--resource-type <type>', '', 'hidden'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }) => {
      const node = nodeNamed(flags.text('at'));
      const name = args[0] ?? flags.text('resource') ?? flags.text('resourceType');
      const rows = list(await callNode(node, 'GET', '/v1/policies'));
      if (rows.length === 0) return { plain: '[]', json: [] };
      if (name === undefined) throw usageError('Name the resource or its type');
      const question = `Delete the policy of ${name}? What it refused may become allowed`;
      if (!(await confirm(question, flags.has('yes')))) return undefined;
      await callNode(node, 'DELETE', `/v1/policies/${segment(name)}`);
      done(`Policy of ${name} deleted at node ${node}`);
      return { json: compact({ resource: name, node }) };
    },
  });
}

function resourceOf(
  resource: string | undefined,
  type: string | undefined,
): { resource?: string; resource_type?: string } {
  if (type !== undefined && !TYPES.has(type))
    throw usageError(`"${type}" is not a resource type; there are ${[...TYPES].join(', ')}`);
  if (type !== undefined && resource !== undefined)
    throw usageError('Give --resource or --resource-type, not both');
  if (type !== undefined) return { resource_type: type };
  if (resource === undefined)
    throw usageError('Say what it protects: --resource NAME or --resource-type TYPE');
  if (!TYPES.has(resource)) return { resource };
  warn(`--resource ${resource} names a type; write --resource-type ${resource}`);
  return { resource_type: resource };
}
