/** The short map that the program prints when it is called alone, and the words it knows but does not serve yet. */

/** Families of the original that answer "not supported yet". */
export const unsupportedFamilies: ReadonlySet<string> = new Set([
  'kafka-inlet',
  'kafka-outlet',
  'kafka-consumer',
  'kafka-producer',
  'influxdb-inlet',
  'influxdb-outlet',
  'lease',
  'rendezvous',
  'flow-control',
  'subscription',
  'admin',
  'project-admin',
  'space-admin',
  'share',
  'sidecar',
  'run',
  'markdown',
  'manpages',
]);

/** The words that begin a command, in the order in which the map names them. */
export const commandWords: readonly string[] = [
  ...['enroll', 'status', 'node', 'identity', 'vault', 'project', 'project-member', 'member'],
  ...['space', 'relay', 'tcp-outlet', 'tcp-inlet', 'policy', 'credential', 'authority'],
  ...['secure-channel', 'secure-channel-listener', 'message', 'worker', 'service'],
  ...['tcp-connection', 'tcp-listener', 'server', 'token', 'audit', 'explain'],
  ...['permission', 'account', 'client', 'authtoken', 'environment', 'completion', 'reset'],
];

/** The five jobs, each with the commands one meets first. */
export function shortMap(program: string, version: string): string {
  return `${program} ${version}: private, end-to-end encrypted portals between your app and its database

  Begin     ${program} server start              run the server (authority and relay)
            ${program} enroll                    become its administrator, make the default project
  Invite    ${program} project ticket            a one-time ticket for another machine
            ${program} project enroll TICKET     join with it
  Connect   ${program} tcp-outlet create --to 5432
            ${program} relay create
            ${program} tcp-inlet create --from 5433
  Sign in   ${program} account create ADDRESS      people, who sign in at http://127.0.0.1:4433/
            ${program} client create NAME         an app that they sign in to
  Protect   ${program} policy create             who may use an outlet or an inlet
            ${program} project-member delete ID  end a member's access at once
  Look      ${program} status                    what runs and what is wrong
            ${program} explain last              why the last request was denied
            ${program} audit list                who did what

More: ${wrap(commandWords)}.
Help on any of them: ${program} COMMAND --help
`;
}

/** The map of whoever comes from Keto. */
function ketoMap(version: string): string {
  return `keto ${version} (Postern): who may do what with which object

  Begin     keto serve -c keto.yml             serve Keto's ports
            keto namespace validate FILE       check a model
  Write     keto relation-tuple create SUBJECT RELATION NAMESPACE:OBJECT
            keto relation-tuple create -f FILE
            keto relation-tuple delete, delete-all, get, parse
  Ask       keto check SUBJECT RELATION NAMESPACE:OBJECT
            keto expand RELATION NAMESPACE:OBJECT
            keto status                        is the server ready

Called as postern, the same program has more: postern permission --help
Help on any of them: keto COMMAND --help
`;
}

function kratosMap(version: string): string {
  return `kratos ${version} (Postern): who somebody is

  Begin     kratos serve -c kratos.yml         serve Kratos's ports
            kratos migrate sql -e --yes        nothing to do, as scripts expect it
  People    kratos list identities, get identity ID, import identities FILE, delete identity ID
            kratos validate identity FILE      check a file against the server's schema
            kratos account list, create, disable, sessions, recover
  Look      kratos remote status, remote version

Called as postern, the same program has more: postern account --help
Help on any of them: kratos COMMAND --help
`;
}

/** What there is to do, by the name that the program was called by. */
export function mapOf(name: string, version: string): string {
  if (name === 'keto') return ketoMap(version);
  return name === 'kratos' ? kratosMap(version) : shortMap(name, version);
}

const WRAP_COLUMNS = 110;
function wrap(words: readonly string[]): string {
  let line = '';
  return words
    .map((word, i) => {
      const piece = i === words.length - 1 ? word : `${word}, `;
      const isFull = line.length + piece.length > WRAP_COLUMNS;
      line = isFull ? piece : line + piece;
      return isFull ? `\n${piece}` : piece;
    })
    .join('');
}
