/** Everything that is talk and not data: confirmations, warnings, questions and the spinner, all on standard error. */
import { PosternError } from '../kernel/index.ts';
import { paint } from './output.ts';
import { inDialect, session } from './session.ts';

const say = (line: string): void => {
  if (!session().globals.isQuiet) process.stderr.write(`${line}\n`);
};

let said = '';

/** Did a confirmation that was shown hold this text? */
export function wasSaid(text: string): boolean {
  return said.split(/[\s,()]+/).includes(text);
}

/** One line that names the thing made and where it now is. */
export function done(text: string): void {
  if (!session().globals.isQuiet) said += ` ${text}`;
  say(`${paint('green', '✔', 'err')} ${text}`);
}

/** The natural next command, on a terminal alone. */
export function next(command: string): void {
  if (session().isStderrTerminal) say(paint('dim', `  next: ${inDialect(command)}`, 'err'));
}

/** Something the user should know, though the command went on. */
export function warn(text: string): void {
  say(`${paint('yellow', '!', 'err')} ${text}`);
}

/** A plain remark. */
export function note(text: string): void {
  say(text);
}

/**
 * Asks before something is destroyed; `--yes` answers it. Throws `invalid` when nobody can be asked.
 * @returns true when the deed may go on.
 */
export async function confirm(question: string, isAnswered: boolean): Promise<boolean> {
  if (isAnswered) return true;
  if (!session().globals.mayAsk || process.stdin.isTTY !== true)
    throw new PosternError('invalid', 'This needs a confirmation, and nobody can be asked here', {
      hint: 'Add --yes to the command',
    });
  const { createInterface } = await import('node:readline/promises');
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  // A question that the end of input answers is answered with no.
  const ended = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([asking.question(`${question} [y/N] `), ended]);
    const isYes = /^y(es)?$/i.test(answer.trim());
    if (!isYes) note('Nothing was changed');
    return isYes;
  } finally {
    asking.close();
  }
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/** Shorter waits show nothing. */
const SPINNER_DELAY_MS = 300;

/** Waits for work, showing what is waited for and for how long; nothing moves when stderr is no terminal. */
export async function waiting<T>(what: string, work: Promise<T>): Promise<T> {
  const { globals, isStderrTerminal } = session();
  if (globals.isQuiet || !isStderrTerminal) return work;
  const sinceMs = Date.now();
  let frame = 0;
  const timer = setInterval(() => {
    const waitedMs = Date.now() - sinceMs;
    if (waitedMs < SPINNER_DELAY_MS) return;
    frame = (frame + 1) % SPINNER.length;
    process.stderr.write(`\r\u001b[K${SPINNER[frame]} ${what} (${Math.round(waitedMs / 1000)} s)`);
  }, 100);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (Date.now() - sinceMs >= SPINNER_DELAY_MS) process.stderr.write('\r\u001b[K');
  }
}
