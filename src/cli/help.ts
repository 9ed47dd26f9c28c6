/**
 * How help reads: one sentence of purpose, real examples, then the flags by what they are for. Global flags come last,
 * as they are the same everywhere.
 */
import type { Command, Help, Option } from 'commander';
import { session } from './session.ts';

const GROUPS = ['What', 'Where', 'Who', 'Waiting', 'Other'] as const;
type Group = (typeof GROUPS)[number];

/** By what a flag is for; whatever a command alone has is under Other. */
const GROUP_OF: Readonly<Record<string, Group>> = {
  to: 'What',
  from: 'What',
  alias: 'What',
  attribute: 'What',
  resource: 'What',
  'resource-type': 'What',
  type: 'What',
  id: 'What',
  name: 'What',
  scope: 'What',
  callback: 'Where',
  'logout-url': 'Where',
  origin: 'Where',
  'backchannel-logout-url': 'Where',
  'home-page': 'Where',
  space: 'Where',
  ca: 'Where',
  'third-party': 'Who',
  expires: 'Waiting',
  via: 'Where',
  at: 'Where',
  project: 'Where',
  'project-name': 'Where',
  server: 'Where',
  'relay-address': 'Where',
  'tcp-listener-address': 'Where',
  'http-server': 'Where',
  'http-server-port': 'Where',
  allow: 'Who',
  expression: 'Who',
  authorized: 'Who',
  identity: 'Who',
  issuer: 'Who',
  relay: 'Who',
  enroller: 'Who',
  ticket: 'Who',
  'enrollment-ticket': 'Who',
  timeout: 'Waiting',
  'connection-wait': 'Waiting',
  'no-connection-wait': 'Waiting',
  'retry-wait': 'Waiting',
  'expires-in': 'Waiting',
  'usage-count': 'Waiting',
};
/** A command with fewer flags than this shows them as one list. */
const GROUPED_FROM = 6;
const COLUMNS = 100;

const GLOBAL_HELP = `Anywhere on the line:
  -q, --quiet             nothing on standard error but failures (QUIET)
  -v, -vv, -vvv           more detail
  --output plain|json     how the result is written
  --jq QUERY              filter the JSON result
  --compact-output        JSON on one line
  --no-color, --no-input  (NO_COLOR, NO_INPUT)
`;

const groupOf = (option: Option): Group =>
  GROUP_OF[option.long?.replace(/^--/, '') ?? ''] ?? 'Other';

function optionSections(options: readonly Option[]): readonly (readonly [string, Option[]])[] {
  if (options.length < GROUPED_FROM) return [['Flags', [...options]]];
  return GROUPS.map((group) => [group, options.filter((o) => groupOf(o) === group)]);
}

/** Formats the help of a command whose examples are given. */
export function formatHelp(command: Command, helper: Help, examples: readonly string[]): string {
  const program = session().program;
  const width = Math.max(
    helper.longestOptionTermLength(command, helper),
    helper.longestSubcommandTermLength(command, helper),
  );
  const row = (term: string, description: string): string =>
    helper.formatItem(term, width, description, helper);
  helper.helpWidth = COLUMNS;
  const subcommands = helper
    .visibleCommands(command)
    .map((c) => row(helper.subcommandTerm(c), helper.subcommandDescription(c)));
  const flags = optionSections(helper.visibleOptions(command).filter((o) => o.long !== '--help'));
  const sections: (readonly [string, readonly string[]])[] = [
    ['Examples', examples.map((e) => `  ${program} ${e}`)],
    ['Commands', subcommands],
    ...flags.map(
      ([title, options]) =>
        [
          title,
          options.map((o) => row(helper.optionTerm(o), helper.optionDescription(o))),
        ] as const,
    ),
  ];
  return [
    `${helper.commandDescription(command)}.`,
    `Usage: ${helper.commandUsage(command)}`,
    ...sections
      .filter(([, lines]) => lines.length > 0)
      .map(([title, lines]) => `${title}:\n${lines.join('\n')}`),
    GLOBAL_HELP,
  ].join('\n\n');
}
