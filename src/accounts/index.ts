/** The door of accounts: people, how they sign in, and their sessions. */
export type { Account, JsonObject, Session } from './account.ts';
export { Administration } from './administration.ts';
export { networkOf } from './budgets.ts';
export { type AccountsConfig, defaultConfig } from './config/config.ts';
export { readCourier } from './config/courier.ts';
export { idleKeys, KratosKeys } from './config/keys.ts';
export { readKratos } from './config/read.ts';
export { Courier } from './courier/courier.ts';
export { highestAal, isSureEnough } from './flows/finish.ts';
export { addAdminAccounts } from './http/admin.ts';
export { formField, type Owner, OwnPages } from './http/own-pages.ts';
export { addPublicAccounts } from './http/public.ts';
export { clearSessionCookie, readCookies } from './http/web.ts';
export { AccountsManager, type AccountsParts } from './manager.ts';
export { type Brand, createBrand } from './pages/brand.ts';
export { Html, html, safeUrl } from './pages/html.ts';
export { pageHeaders, renderPage } from './pages/page.ts';
export { createBreachList } from './password/breaches.ts';
export { createPasswordHasher } from './password/hasher.ts';
export { createPasswordPolicy } from './password/policy.ts';
export { normaliseIdentifier } from './schema/identity-schema.ts';
export { isBySignIn, ServiceAccounts, type ServiceActor } from './service-accounts/manager.ts';
export type { ServiceAccount } from './service-accounts/service-account.ts';
export {
  createServiceSignIn,
  type ServiceAttempt,
  type ServiceSignIn,
} from './service-accounts/sign-in.ts';
