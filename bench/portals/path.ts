/** What a way from the app to the service is, and which ones the benchmark holds side by side. */
import type { ChildProcess } from 'node:child_process';

export const PATH_NAMES = ['direct', 'splice', 'relay', 'to node', 'ssh', 'stunnel'] as const;
/** `relay` is Postern through its relay, `to node` is Postern with the outlet's node dialled directly. */
export type PathName = (typeof PATH_NAMES)[number];

/** What each path is, in the report's words. */
export const PATH_TITLES: Readonly<Record<PathName, string>> = {
  direct: 'the app connects to the service itself',
  splice: 'three Node processes in a row, each pipe() without encryption: the floor',
  relay: "Postern: inlet's node, the server's relay, outlet's node",
  'to node': "Postern: inlet's node, outlet's node, no relay between",
  ssh: 'ssh -L to an sshd',
  stunnel: 'two stunnels, TLS 1.3',
};

/** Where a process stands, seen from the app. */
export const PLACES = ['near', 'middle', 'far'] as const;
export type Place = (typeof PLACES)[number];

/** The services behind every path, by the port on which each listens. */
export interface Services {
  readonly app: number;
  readonly database: number | undefined;
}

/** One way, open: the ports at its near end, and the processes in between. */
export interface Path {
  readonly ports: Services;
  readonly parts: Readonly<Partial<Record<Place, ChildProcess>>>;
  /** Processes that it needs but that carry nothing. */
  readonly others?: readonly ChildProcess[];
}

/** Does something for each service, in order, and answers the ports that came of it. */
export async function forEach(
  services: Services,
  open: (port: number, name: 'app' | 'database') => Promise<number>,
): Promise<Services> {
  const { app, database } = services;
  return {
    app: await open(app, 'app'),
    database: database === undefined ? undefined : await open(database, 'database'),
  };
}
