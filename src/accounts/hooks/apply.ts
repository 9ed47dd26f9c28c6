/**
 * An account as a web hook wants it: its traits held against the identity schema, its identifiers and addresses made from
 * them anew. Pure but for the clock. INVARIANT: a hook can not give an account an address that its traits do not.
 */
import type { Account, VerifiableAddress } from '../account.ts';
import { withAddresses } from '../flows/addresses.ts';
import { FlowProblem } from '../flows/flow.ts';
import { withTraits } from '../methods/profile.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';
import { type Services, schemaOf } from '../services.ts';
import { type GivenAddress, HookAnswerFault, type IdentityChanges } from './answer.ts';

/** Throws FlowProblem for traits that the schema refuses, HookAnswerFault for an unknown schema. */
export function applyChanges(
  services: Pick<Services, 'schemas' | 'config' | 'clock'>,
  account: Account,
  changes: IdentityChanges,
): Account {
  const { schemaId = account.schemaId } = changes;
  if (!services.schemas.has(schemaId)) throw new HookAnswerFault('identity.schema_id is unknown');
  const schema = schemaOf(services, { schemaId });
  const traits = changes.traits ?? account.traits;
  const problems = schema.problems(traits);
  if (problems.length > 0) throw new FlowProblem(problems);
  const nowMs = services.clock.now();
  const renamed = withTraits(schema, { ...account, schemaId }, traits);
  const placed = withAddresses(services, renamed);
  const { state = account.state } = changes;
  return {
    ...placed,
    state,
    stateChangedAtMs: state === account.state ? account.stateChangedAtMs : nowMs,
    externalId: Object.hasOwn(changes, 'externalId') ? changes.externalId : account.externalId,
    metadataPublic:
      changes.metadataPublic === undefined ? account.metadataPublic : changes.metadataPublic,
    metadataAdmin:
      changes.metadataAdmin === undefined ? account.metadataAdmin : changes.metadataAdmin,
    verifiableAddresses: placed.verifiableAddresses.map((a) =>
      judged(a, changes.verifiableAddresses ?? [], nowMs),
    ),
  };
}

/** The address as far as the hook says something of it. */
function judged(
  address: VerifiableAddress,
  given: readonly GivenAddress[],
  nowMs: number,
): VerifiableAddress {
  const said = given.find(
    (g) => g.via === address.via && normaliseIdentifier(g.value) === address.value,
  );
  if (said === undefined || said.verified === address.verified) return address;
  return said.verified
    ? { ...address, verified: true, status: 'completed', verifiedAtMs: nowMs, updatedAtMs: nowMs }
    : {
        ...address,
        verified: false,
        status: 'pending',
        verifiedAtMs: undefined,
        updatedAtMs: nowMs,
      };
}
