/** What the server's HTTP doors are made of. Types alone. */

import type { Audit } from '../../audit/index.ts';
import type { AuthorityManager } from '../../authority/index.ts';
import type { Fabric } from '../../fabric/index.ts';
import type { Permissions } from '../../permissions/index.ts';
import type { RelayService } from '../../relay/index.ts';
import type { ClientApi } from './clients.ts';
import type { PeopleApi } from './people.ts';
import type { ServiceApi } from './services.ts';

export interface ServerParts {
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly authority: AuthorityManager;
  readonly relay: RelayService;
  readonly serverCaPem: string;
  readonly serverCaFingerprint: string;
  /** Where machines reach the node port. */
  advertised(): readonly string[];
  readonly version: string;
  readonly startedAtMs: number;
  /** Undefined when permissions are turned off. */
  readonly permissions: Permissions | undefined;
  /** How browsers reach the accounts, and how their mail leaves; undefined when accounts are turned off. */
  readonly accounts: { readonly url: string; readonly mail: 'smtp' | 'http' | 'none' } | undefined;
  /** Undefined when accounts are turned off. */
  readonly oidc: ClientApi | undefined;
  /** Undefined when accounts are turned off. */
  readonly people: PeopleApi | undefined;
  /** Undefined when accounts are turned off. */
  readonly services: ServiceApi | undefined;
}
