/** For tests: an authority over a real store in a temporary folder, with a clock to set, and machines that ask it. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Audit, createAudit } from '../audit/index.ts';
import { createFabric, type Fabric } from '../fabric/index.ts';
import { Secret } from '../kernel/index.ts';
import { openStore } from '../store/index.ts';
import * as trust from '../trust/index.ts';
import {
  type Actor,
  AuthorityManager,
  type Credential,
  type NewTicket,
  type Project,
} from './authority.ts';

export const ADMIN: Actor = { id: 'admin', isAdmin: true };
export const HOUR_MS = 3_600_000;
const TICKET: NewTicket = {
  attributes: { component: 'web' },
  expiresInMs: HOUR_MS,
  usageCount: 1,
  isEnroller: false,
};

export interface Court {
  nowMs: number;
  readonly authority: AuthorityManager;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly project: Project;
  ticket(changes?: Partial<NewTicket>, by?: Actor): Promise<string>;
  /** What a node says to a credential. */
  verify(credential: Credential): trust.Peer;
  close(): Promise<void>;
}

export async function openCourt(): Promise<Court> {
  const clock = { now: () => court.nowMs };
  const folder = mkdtempSync(join(tmpdir(), 'postern-authority-'));
  const store = await openStore({ sqlitePath: join(folder, 'server.sqlite3') });
  const value = new Secret('11'.repeat(32));
  const court = { nowMs: Date.now() };
  const fabric = await createFabric(store, { rootKey: { kind: 'value', value }, clock });
  const { keyring } = fabric;
  const audit = createAudit(store, {
    signer: () => keyring.signingKey('audit'),
    verifying: () => keyring.verifyingKeys('audit'),
  });
  const authority = new AuthorityManager({ store, fabric, audit, clock });
  const project = await authority.ensureDefaults(ADMIN);
  return Object.assign(court, {
    ...{ authority, fabric, audit, project },
    ticket: (changes: Partial<NewTicket> = {}, by: Actor = ADMIN) =>
      authority.createTicket(project.id, { ...TICKET, ...changes }, by),
    verify: (credential: Credential) =>
      trust.verifyPeer(new X509Certificate(credential.certificatePem).raw, {
        authorityCertificatePem: project.authorityCertificatePem,
        projectId: project.id,
        nowMs: court.nowMs,
        isRevoked: (who, generation) => authority.isRevoked(project.id, who, generation),
      }),
    close: async () => {
      await fabric.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

/** A machine with an identity and a leaf key. */
export class Machine {
  readonly #court: Court;
  readonly leaf: trust.LeafKey = trust.generateLeafKey();
  readonly identifier: string;
  readonly evidence: trust.Evidence;
  constructor(court: Court) {
    this.#court = court;
    const keys = trust.createIdentity();
    this.identifier = keys.identity.identifier;
    this.evidence = trust.attestLeaf(keys, this.leaf.publicKeySpki);
  }
  redeem(code: string): Promise<Credential & { alreadyMember: boolean }> {
    return this.#court.authority.redeem(code, this.evidence, this.leaf.publicKeySpki);
  }
  issue(): Promise<Credential> {
    const { authority, project } = this.#court;
    return authority.issue(project.id, this.evidence, this.leaf.publicKeySpki);
  }
}
