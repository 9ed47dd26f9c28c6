/** Members of a project, with real credentials, for tests. */
import type { ChannelTrust } from '../channel/index.ts';
import {
  type Authority,
  attestLeaf,
  createIdentity,
  exportPrivateKey,
  generateLeafKey,
  type IdentityKeys,
  issueCredential,
} from '../trust/index.ts';

export interface Member {
  readonly trust: ChannelTrust;
  readonly revoked: Set<string>;
  readonly identity: IdentityKeys;
  renew(attributes: Record<string, string>, validityMs: number): Promise<void>;
}

export async function member(
  authority: Authority,
  attributes: Record<string, string>,
  validityMs: number = 3_600_000,
  projectId: string = 'p1',
  trusts: Authority = authority,
): Promise<Member> {
  const identity = createIdentity();
  const revoked = new Set<string>();
  const make = async (
    a: Record<string, string>,
    ms: number,
  ): Promise<ReturnType<ChannelTrust['local']>> => {
    const leaf = generateLeafKey();
    const c = await issueCredential({
      authority,
      projectId,
      identifier: identity.identity.identifier,
      attributes: a,
      generation: 1,
      spki: leaf.publicKeySpki,
      evidence: attestLeaf(identity, leaf.publicKeySpki),
      nowMs: Date.now(),
      validityMs: ms,
    });
    return {
      identity,
      leafPrivateKeyPem: exportPrivateKey(leaf.privateKey),
      certificatePem: c.certificatePem,
      authorityCertificatePem: trusts.certificatePem,
      projectId,
    };
  };
  let local = await make(attributes, validityMs);
  return {
    identity,
    revoked,
    trust: { local: () => local, isRevoked: (id) => revoked.has(id), nowMs: () => Date.now() },
    renew: async (a, ms) => {
      local = await make(a, ms);
    },
  };
}
