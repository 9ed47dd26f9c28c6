/** The light door: what the command line needs of trust without loading an X.509 library. */
export {
  createIdentity,
  exportPrivateKey,
  type Identity,
  type IdentityKeys,
  importPrivateKey,
  isIdentifier,
  rotateIdentity,
  type VerifiedHistory,
  verifyChangeHistory,
} from './identity.ts';
export {
  attestLeaf,
  type Evidence,
  generateLeafKey,
  generateServerLeafKey,
  type LeafKey,
  verifyEvidence,
} from './leaf.ts';
export {
  evaluatePolicy,
  type Policy,
  type PolicyEnvironment,
  parsePolicy,
  peerEnvironment,
  printPolicy,
  questionsOf,
  type RelationAnswer,
  type RelationQuestion,
  type Verdict,
} from './policy.ts';
export {
  parseAddress,
  parseNodeArgument,
  parseRoute,
  printRoute,
  type Segment,
  type SegmentKind,
} from './route.ts';
export { encodeTicket, parseTicket, type Ticket } from './ticket.ts';
