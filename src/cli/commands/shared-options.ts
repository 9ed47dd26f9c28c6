/** Groups of options that several commands of the original share. */
type Row = readonly [string, string, ('list' | 'hidden' | 'required')?];

/** Which project, and the trust of a self-hosted authority. */
export const trustOptions: readonly Row[] = [
  ['--project <name>', 'the project'],
  ['--authority-identity <hex>', '', 'hidden'],
  ['--authority-route <route>', '', 'hidden'],
  ['--credential-scope <scope>', '', 'hidden'],
];

/** Retries. Postern's requests retry by themselves; the flags are accepted. */
export const retryOptions: readonly Row[] = [
  ['--retry-count <number>', '', 'hidden'],
  ['--retry <number>', '', 'hidden'],
  ['--retry-delay <duration>', '', 'hidden'],
  ['--no-retry', '', 'hidden'],
];
