/** What one run of the program knows about itself: its name, its global flags and its two streams. Set once by main. */
import type { GlobalFlags } from './arguments.ts';

export interface Session {
  readonly program: string;
  readonly globals: GlobalFlags;
  readonly isStdoutTerminal: boolean;
  readonly isStderrTerminal: boolean;
  /** A command run by another prints no result. */
  readonly isNested?: boolean;
}

let current: Session = {
  program: 'postern',
  globals: {
    isQuiet: false,
    verbosity: 0,
    hasColor: false,
    mayAsk: false,
    output: 'auto',
    jq: undefined,
    isCompact: false,
    parseOnly: false,
    wantsVersion: false,
  },
  isStdoutTerminal: false,
  isStderrTerminal: false,
};

/** Sets the session; main calls it once, before any command. */
export function startSession(session: Session): void {
  current = session;
}

/** Text with the name under which the program was called, in every command that the text shows. */
export function inDialect(text: string): string {
  return text.replace(/\bpostern(?= [a-z])/g, current.program);
}

/** The session of this run. */
export function session(): Session {
  return current;
}
