export {
  type Authority,
  createAuthorityCa,
  createServerCa,
  fingerprint,
  type IssuedCredential,
  type IssueOptions,
  issueCredential,
  issueServerCertificate,
  type Peer,
  selfIssue,
  type VerifyOptions,
  verifyPeer,
} from './credential.ts';
export * from './light.ts';
