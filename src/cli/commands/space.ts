/** `space`: organisations that hold projects. */
import type { Command } from 'commander';
import { newName, PosternError } from '../../kernel/index.ts';
import { openHomeOnce } from '../access.ts';
import { define, family } from '../command.ts';
import { text } from '../json.ts';
import { asOperator, listOf, nameOf, notEnrolled } from '../membership.ts';
import { table } from '../output.ts';
import { confirm, done } from '../talk.ts';

const PATH = '/api/v1/spaces';

/** Adds the family. */
export function register(program: Command): void {
  const space = family(program, 'space', 'Organisations that hold projects');
  const ask = (method: string, path: string, body?: unknown): Promise<unknown> => {
    if (openHomeOnce().projects.default === undefined) throw notEnrolled();
    return asOperator((c) => c.request(method, path, body));
  };
  const all = async (): Promise<readonly unknown[]> => listOf(await ask('GET', PATH), 'spaces');

  define(space, 'create [name] [admins...]', 'Create a space', {
    run: async ({ args }) => {
      const name = args[0] ?? newName();
      const answer = await ask('POST', PATH, { name });
      done(`Space ${name} created`);
      return { plain: '', json: answer };
    },
  });
  define(space, 'list', 'List the spaces', {
    run: async () => {
      const rows = await all();
      return {
        plain: table(
          ['NAME', 'ID'],
          rows.map((r) => [nameOf(r), text(r, 'id')]),
          'No spaces yet.',
        ),
        json: rows,
      };
    },
  });
  define(space, 'show [name]', 'Show a space', {
    run: async ({ args }) => {
      const rows = await all();
      const found = args[0] === undefined ? rows[0] : rows.find((r) => nameOf(r) === args[0]);
      if (found === undefined)
        throw new PosternError('not_found', `The space ${args[0] ?? ''} was not found`);
      return { plain: `space ${nameOf(found)}\n  id ${text(found, 'id')}`, json: found };
    },
  });
  define(space, 'delete <name>', 'Delete a space with its projects', {
    options: [['-y, --yes', 'do not ask']],
    run: async ({ args, flags }) => {
      const name = args[0] ?? '';
      const question = `Delete the space ${name} with its projects? Every member loses access`;
      if (!(await confirm(question, flags.has('yes')))) return undefined;
      await ask('DELETE', `${PATH}/${encodeURIComponent(name)}`);
      done(`Space ${name} deleted`);
      return { machine: name, json: { name } };
    },
  });
}
