/**
 * The script of `/.well-known/ory/webauthn.js`: between a page's hidden fields and the browser's authenticators. Its
 * functions have the names that Kratos's pages call; our own pages name them in data attributes instead, so that they
 * need no inline script. It talks to nobody and stores nothing.
 */
import { createHash } from 'node:crypto';

export const WEBAUTHN_SCRIPT: string = `'use strict';
(() => {
  if (window.oryWebAuthnLogin) return;
  const field = (name) => document.querySelector('[name="' + name + '"]');
  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    buffer
      ? btoa(String.fromCharCode(...new Uint8Array(buffer)))
          .replaceAll('+', '-')
          .replaceAll('/', '_')
          .replaceAll('=', '')
      : undefined;
  const withIds = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
  let waiting;

  function say(reason) {
    const place = document.querySelector('[data-webauthn-status]');
    if (!place) return console.error(reason);
    place.textContent =
      reason && reason.name === 'NotAllowedError'
        ? 'That was cancelled, or took too long. Try again.'
        : 'This did not work: ' + ((reason && reason.message) || reason);
  }
  function submit(name, answer) {
    const target = field(name);
    target.value = JSON.stringify(answer);
    target.closest('form').submit();
  }
  const base = (credential, response) => ({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response,
  });
  const proof = (credential) =>
    base(credential, {
      authenticatorData: text(credential.response.authenticatorData),
      clientDataJSON: text(credential.response.clientDataJSON),
      signature: text(credential.response.signature),
      userHandle: text(credential.response.userHandle),
    });
  const creation = (credential) =>
    base(credential, {
      attestationObject: text(credential.response.attestationObject),
      clientDataJSON: text(credential.response.clientDataJSON),
    });
  function request(options) {
    const { publicKey } = options;
    const wanted = { ...publicKey, challenge: bytes(publicKey.challenge) };
    if (publicKey.allowCredentials) wanted.allowCredentials = withIds(publicKey.allowCredentials);
    return wanted;
  }
  function wish(options, name) {
    const { publicKey } = options;
    const user = { ...publicKey.user, id: bytes(publicKey.user.id) };
    if (name) Object.assign(user, { name, displayName: name });
    return {
      ...publicKey,
      user,
      challenge: bytes(publicKey.challenge),
      excludeCredentials: withIds(publicKey.excludeCredentials),
    };
  }
  function stopWaiting() {
    if (waiting) waiting.abort();
    waiting = undefined;
  }
  async function get(options, name) {
    if (!window.PublicKeyCredential) return say('this browser knows no passkeys or security keys.');
    stopWaiting();
    try {
      submit(name, proof(await navigator.credentials.get({ publicKey: request(options) })));
    } catch (reason) {
      say(reason);
    }
  }
  async function create(options, name, shown) {
    if (!window.PublicKeyCredential) return say('this browser knows no passkeys or security keys.');
    try {
      submit(name, creation(await navigator.credentials.create({ publicKey: wish(options, shown) })));
    } catch (reason) {
      say(reason);
    }
  }
  const read = (name) => JSON.parse(field(name).value);
  const functions = {
    oryWebAuthnLogin: (options) => get(options || read('webauthn_login_trigger'), 'webauthn_login'),
    oryWebAuthnRegistration: (options) =>
      create(options || read('webauthn_register_trigger'), 'webauthn_register'),
    oryPasskeyLogin: () => get(read('passkey_challenge'), 'passkey_login'),
    oryPasskeySettingsRegistration: () =>
      create(read('passkey_create_data'), 'passkey_settings_register'),
    oryPasskeyRegistration: () => {
      const data = read('passkey_create_data');
      const names = data.displayNameFieldNames || [data.displayNameFieldName];
      const shown = names.map((name) => field(name)?.value).find((value) => value);
      return create(data.credentialOptions, 'passkey_register', shown);
    },
    oryPasskeyLoginAutocompleteInit: async () => {
      const known = window.PublicKeyCredential;
      if (!known?.isConditionalMediationAvailable || !field('identifier')) return;
      if (!(await known.isConditionalMediationAvailable())) return;
      stopWaiting();
      const mine = new AbortController();
      waiting = mine;
      try {
        const publicKey = request(read('passkey_challenge'));
        const answer = { publicKey, mediation: 'conditional', signal: mine.signal };
        submit('passkey_login', proof(await navigator.credentials.get(answer)));
      } catch (reason) {
        if (!mine.signal.aborted) console.warn(reason);
      }
    },
  };
  Object.assign(window, functions);
  for (const [name, run] of Object.entries(functions)) window['__' + name] = run;

  function begin() {
    for (const button of document.querySelectorAll('[data-webauthn]')) {
      button.hidden = !window.PublicKeyCredential;
      button.addEventListener('click', () => functions[button.dataset.webauthn]?.());
    }
    for (const one of document.querySelectorAll('[data-webauthn-load]'))
      functions[one.dataset.webauthnLoad]?.();
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
  else begin();
  window.dispatchEvent(new CustomEvent('oryWebAuthnInitialized'));
})();
`;

export const WEBAUTHN_SCRIPT_PATH = '/.well-known/ory/webauthn.js';
/** For the `integrity` of a script element (Subresource Integrity). */
export const WEBAUTHN_SCRIPT_INTEGRITY: string = `sha512-${createHash('sha512').update(WEBAUTHN_SCRIPT).digest('base64')}`;
