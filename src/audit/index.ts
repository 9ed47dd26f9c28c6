/** The door of the audit log. */
export {
  type Audit,
  type AuditKeys,
  type AuditVerdict,
  createAudit,
  type NewAuditEntry,
  verifyChain,
} from './audit.ts';
export { type AuditEntry, type AuditOutcome, hashEntry } from './entry.ts';
export { type AuditHead, type AuditSigner, isHeadGenuine } from './head.ts';
