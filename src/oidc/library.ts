/** Everything here that loads oidc-provider, behind one import that is made when the provider is first wanted. */
export { decideInteraction, showInteraction } from './interactions.ts';
export { forgetSession, v2Target } from './logout.ts';
export { createProvider, ownerOf, takeHeaders } from './provider.ts';
export { Records } from './records.ts';
