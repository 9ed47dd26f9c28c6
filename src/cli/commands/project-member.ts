/** `project-member`: who is in a project. `member revocation` ends someone's access at once. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { isIdentifier } from '../../trust/light.ts';
import { define, type Flags, family } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { field, text } from '../json.ts';
import { asMember, listOf, parseAttributes, projectNamed } from '../membership.ts';
import { shorten, table } from '../output.ts';
import { confirm, done } from '../talk.ts';

type Row = readonly [string, string, ('list' | 'hidden' | 'required')?];
const common: readonly Row[] = [
  ['-p, --project-name <name>', 'the project'],
  ['--identity <name>', 'the identity that asks'],
];

/** Adds the families. */
export function register(program: Command): void {
  const member = family(program, 'project-member', 'Who is in a project', [
    'project-member list',
    'project-member delete IDENTIFIER',
  ]);

  define(member, 'add <identifier>', 'Add a member, or replace what it may', {
    options: [
      ['-a, --attribute <key=value>', 'an attribute it will hold', 'list'],
      ['--relay <name>', 'allow it to hold this relay'],
      ['--enroller', 'allow it to invite others'],
      ...common,
    ],
    run: async ({ args, flags }) => {
      const identifier = checkIdentifier(args[0]);
      const relay = flags.text('relay');
      const answer = await members(flags, 'POST', '', {
        identifier,
        attributes: asUsage(() => parseAttributes(flags.list('attribute'), undefined, false)),
        ...(relay === undefined ? {} : { relay }),
        enroller: flags.has('enroller'),
      });
      done(`Member ${shorten(identifier)} added`);
      return { json: { project: projectNamed(flags.text('projectName')).name, ...record(answer) } };
    },
  });

  const rowsOf = async (flags: Flags): Promise<readonly unknown[]> => {
    const rows = listOf(await members(flags, 'GET', ''), 'members');
    return flags.has('enrollers')
      ? rows.filter((r) => text(field(r, 'attributes'), 'ockam-role') === 'enroller')
      : rows;
  };

  define(member, 'list', 'List the members', {
    options: [['--enrollers', 'those alone who may invite'], ...common],
    run: async ({ flags }) => {
      const rows = await rowsOf(flags);
      return {
        plain: table(
          ['IDENTIFIER', 'ATTRIBUTES'],
          rows.map((r) => [shorten(text(r, 'identifier')), attributesText(r)]),
          'No members yet. Invite one: postern project ticket',
        ),
        json: rows,
      };
    },
  });

  define(member, 'list-ids', "List the members' identifiers", {
    options: [['--enrollers', 'those alone who may invite'], ...common],
    run: async ({ flags }) => {
      const ids = (await rowsOf(flags)).map((r) => text(r, 'identifier'));
      return { plain: ids.join('\n'), json: ids };
    },
  });

  define(member, 'show <identifier>', 'Show a member', {
    options: common,
    run: async ({ args, flags }) => {
      const identifier = checkIdentifier(args[0]);
      const found = (await rowsOf(flags)).find((r) => text(r, 'identifier') === identifier);
      if (found === undefined)
        throw new PosternError('not_found', `${identifier} is not a member; it was not found`);
      return { plain: `${identifier}\n  ${attributesText(found)}`, json: found };
    },
  });

  define(member, 'delete [identifier]', "End a member's access at once", {
    options: [['--all', 'every member but administrators'], ['-y, --yes', 'do not ask'], ...common],
    run: async ({ args, flags }) => {
      const ids = flags.has('all')
        ? (await rowsOf(flags))
            .filter((r) => text(field(r, 'attributes'), 'ockam-role') !== 'admin')
            .map((r) => text(r, 'identifier'))
        : [checkIdentifier(args[0])];
      const question = `Delete ${ids.length === 1 ? shorten(ids[0] ?? '') : `${ids.length} members`}? Live portals are cut`;
      if (!(await confirm(question, flags.has('yes') || ids.length === 1))) return undefined;
      for (const id of ids) await members(flags, 'DELETE', `/${id}`);
      done(
        `${ids.length === 1 ? `Member ${shorten(ids[0] ?? '')}` : `${ids.length} members`} deleted; access has ended`,
      );
      return { json: { project: projectNamed(flags.text('projectName')).name, identifiers: ids } };
    },
  });

  const certificates = family(program, 'member', 'Revoke certificates of members');
  define(
    certificates,
    'revocation <identifier>',
    'Revoke the certificates a member holds; it stays a member and may get new ones',
    {
      options: common,
      run: async ({ args, flags }) => {
        const identifier = checkIdentifier(args[0]);
        const found = await members(flags, 'GET', `/${identifier}`);
        const role = text(found, 'role');
        if (role === 'admin')
          throw new PosternError(
            'unsupported',
            "An administrator's certificates can't be revoked",
            {
              hint: 'End its membership instead: `postern project-member delete IDENTIFIER`',
            },
          );
        // Writing a member anew, even unchanged, makes every certificate it had void.
        const answer = await members(flags, 'POST', '', {
          identifier,
          attributes: field(found, 'attributes'),
          enroller: role === 'enroller',
        });
        done(`Certificates of ${shorten(identifier)} are revoked; live channels are cut`);
        return { machine: identifier, json: answer };
      },
    },
  );
}

function members(flags: Flags, method: string, rest: string, body?: unknown): Promise<unknown> {
  return asMember(
    { project: flags.text('projectName'), identity: flags.text('identity') },
    (client, project) =>
      client.request(method, `/api/v1/projects/${project.id}/members${rest}`, body),
  );
}

function checkIdentifier(given: string | undefined): string {
  if (given !== undefined && isIdentifier(given)) return given;
  throw usageError(
    given === undefined
      ? 'Name the member by its identifier, or --all'
      : `"${given}" is not an identifier (I and 64 hex digits)`,
  );
}

const record = (answer: unknown): object =>
  typeof answer === 'object' && answer !== null ? answer : {};

const attributesText = (row: unknown): string => {
  const attributes = field(row, 'attributes');
  return typeof attributes === 'object' && attributes !== null
    ? Object.entries(attributes)
        .map(([k, v]) => `${k}=${String(v)}`)
        .join(', ')
    : '';
};
