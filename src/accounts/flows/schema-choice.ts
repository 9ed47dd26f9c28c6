/** Which identity schema whoever begins a flow may choose (`identity_schema`). Pure. */
import type { AccountsConfig } from '../config/config.ts';
import { FlowFault } from './fault.ts';

/**
 * The schema that was asked for; undefined when none was. The default one can always be named, others when their
 * `selfservice_selectable` says so. Throws FlowFault `bad_request`.
 */
export function chosenSchemaId(
  { schemas, defaultSchemaId }: Pick<AccountsConfig, 'schemas' | 'defaultSchemaId'>,
  asked: string | undefined,
): string | undefined {
  if (asked === undefined || asked === '') return undefined;
  if (asked === defaultSchemaId) return asked;
  const found = schemas.find((s) => s.id === asked);
  if (found?.isSelfserviceSelectable === true) return asked;
  throw new FlowFault(
    'bad_request',
    {},
    `Requested identity schema ${JSON.stringify(asked)} ${found === undefined ? 'does not exist' : 'is not enabled for self-service flows'}.`,
  );
}
