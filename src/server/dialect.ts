/** The environment of the tool whose name the program was called by: `kratos` or `keto`. */
import type { loadServerConfig } from './config.ts';
import { type EnvironmentKey, takeEnvironment } from './environment.ts';
import { KetoKeys } from './permission-config.ts';

/** Begins the names that are that tool's alone: one that is no key is a mistake worth telling. */
const OWN_PREFIX = /^SELFSERVICE_/i;

export interface Dialect {
  /** For `loadServerConfig`. */
  readonly settings: Pick<
    NonNullable<Parameters<typeof loadServerConfig>[0]>,
    'kratosKeys' | 'ketoKeys'
  >;
  /** The variables that gave a key, by name alone. */
  readonly variables: readonly string[];
  /** Variables that look as if they were meant to, and did not. */
  readonly strange: readonly string[];
}

/**
 * Takes the keys of the tool's file out of the environment, which whoever is started later then does not inherit. Throws
 * `invalid`, naming the variable.
 */
export async function takeDialect(
  tool: 'kratos' | 'keto',
  env: NodeJS.ProcessEnv,
): Promise<Dialect> {
  const named = (keys: readonly EnvironmentKey[]): string[] => keys.map((k) => k.variable);
  if (tool === 'keto') {
    const ketoKeys = takeEnvironment(KetoKeys, env);
    return { settings: { ketoKeys }, variables: named(ketoKeys), strange: [] };
  }
  const { KratosKeys } = await import('../accounts/index.ts');
  const kratosKeys = takeEnvironment(KratosKeys, env);
  const strange = Object.keys(env).filter((name) => OWN_PREFIX.test(name) && env[name] !== '');
  return { settings: { kratosKeys }, variables: named(kratosKeys), strange };
}
