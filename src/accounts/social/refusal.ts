/** Why a provider of social sign-in gave nobody. Apart from the provider, whose libraries are loaded when there is one. */

/** The provider refused, or its answer is worth nothing. `code` is its own (`access_denied`), for people to read. */
export class ProviderRefusal extends Error {
  override readonly name = 'ProviderRefusal';
  readonly code: string;
  constructor(code: string, cause?: unknown) {
    super(`The provider's answer can't be used: ${code}`, { cause });
    this.code = code;
  }
}
