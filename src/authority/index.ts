export { AccountMachines, type AccountRole } from './account-machines.ts';
export {
  type Actor,
  AuthorityManager,
  type Credential,
  type Member,
  type NewTicket,
  type Project,
  type Revocation,
  type Role,
} from './authority.ts';
