/** `environment` and `completion`: what the shell can know of this program. */
import type { Command } from 'commander';
import { define } from '../command.ts';
import { usageError } from '../exit.ts';
import { commandWords } from '../map.ts';
import { table } from '../output.ts';
import { session } from '../session.ts';

const VARIABLES: readonly (readonly [string, string])[] = [
  ['POSTERN_HOME, OCKAM_HOME', "this user's identities, projects and nodes (~/.postern)"],
  ['POSTERN_SERVER_HOME', "the server's state (~/.postern-server)"],
  ['POSTERN_LISTEN_NODES', 'where the server listens for nodes (127.0.0.1:4480)'],
  ['POSTERN_LISTEN_PUBLIC', "where the server's API listens (127.0.0.1:4433)"],
  [
    'POSTERN_LISTEN_PERMISSIONS_READ, _WRITE, _METRICS, _OPL',
    'where the server answers about permissions (127.0.0.1:4466 to 4469)',
  ],
  ['POSTERN_PERMISSIONS', 'off: no permission listeners'],
  ['POSTERN_ACCOUNTS', 'off: nobody signs in here'],
  ['POSTERN_ACCOUNTS_PUBLIC_URL', 'how browsers reach the public listener'],
  ['POSTERN_LISTEN_ACCOUNTS_ADMIN', 'where administrators of accounts ask (127.0.0.1:4434)'],
  ['POSTERN_ADVERTISE', 'addresses that tickets tell machines to dial'],
  ['POSTERN_DATABASE', 'postgres://… instead of the embedded SQLite file'],
  ['ENROLLMENT_TICKET', 'the ticket with which `node create` joins'],
  ['QUIET', 'like --quiet'],
  ['NO_COLOR', 'like --no-color'],
  ['NO_INPUT', 'like --no-input'],
];

/** Adds the commands. */
export function register(program: Command): void {
  define(program, 'environment', 'List the environment variables that matter', {
    run: () => ({
      plain: table(['NAME', 'MEANING'], VARIABLES, ''),
      json: VARIABLES.map(([name, meaning]) => ({ name, meaning })),
    }),
  });
  define(program, 'completion', 'Print a completion script', {
    options: [['-s, --shell <shell>', 'bash, zsh or fish', 'required']],
    examples: ['completion --shell bash > ~/.local/share/bash-completion/completions/postern'],
    run: ({ flags }) => {
      const shell = flags.required('shell');
      const script = SCRIPTS[shell];
      if (script === undefined)
        throw usageError(`"${shell}" is not known; there are bash, zsh and fish`);
      return { machine: script(session().program, commandWords.join(' ')) };
    },
  });
}

const SCRIPTS: Readonly<Record<string, (program: string, words: string) => string>> = {
  bash: (program, words) => `complete -W "${words}" ${program}`,
  zsh: (program, words) =>
    `#compdef ${program}\n_arguments '1:command:(${words})' '*::file:_files'`,
  fish: (program, words) => `complete -c ${program} -n __fish_use_subcommand -f -a "${words}"`,
};
