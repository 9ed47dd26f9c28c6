/** A server whose people can also sign in through a provider of their company, by a `kratos.yml` with every method on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, World } from './postern.ts';
import { SocialProviderFixture } from './social-provider.ts';

const CREDENTIALS = {
  password: { identifier: true },
  webauthn: { identifier: true },
  passkey: { display_name: true },
  code: { identifier: true, via: 'email' },
  totp: { account_name: true },
};
const SCHEMA = {
  $id: 'https://social.example/person.json',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: { email: { type: 'string', format: 'email' } },
      required: ['email'],
    },
  },
};
const MAPPER = "{ identity: { traits: { email: std.extVar('claims').email } } }";
const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;

/** A schema whose address signs in by every method, is verified and recovers. */
function wideSchema(): unknown {
  const email = {
    ...{ type: 'string', format: 'email', title: 'E-Mail' },
    'ory.sh/kratos': {
      credentials: CREDENTIALS,
      verification: { via: 'email' },
      recovery: { via: 'email' },
    },
  };
  const traits = { type: 'object', properties: { email }, required: ['email'] };
  return { ...SCHEMA, properties: { traits } };
}

export interface SocialWorld {
  readonly world: World;
  readonly provider: SocialProviderFixture;
  readonly base: string;
  close(): Promise<void>;
}

/** `wide`: every other method as well, flows of recovery that live a second, and settings that soon want a fresh sign-in. */
export async function startSocialWorld(o: { wide?: boolean } = {}): Promise<SocialWorld> {
  const provider = await SocialProviderFixture.start();
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  provider.redirectUris = [`${base}/self-service/methods/oidc/callback/company`];
  const world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
  const { url, clientId, clientSecret } = provider;
  const entry = {
    ...{ id: 'company', provider: 'generic', label: 'the company', issuer_url: url },
    ...{ client_id: clientId, client_secret: clientSecret, scope: ['email'] },
    mapper_url: base64(MAPPER),
  };
  const rp = { id: '127.0.0.1', display_name: 'Tests', origins: [base] };
  const wide = {
    password: { enabled: true },
    code: { enabled: true, passwordless_enabled: true },
    link: { enabled: true },
    totp: { enabled: true },
    lookup_secret: { enabled: true },
    webauthn: { enabled: true, config: { passwordless: false, rp } },
    passkey: { enabled: true, config: { rp } },
  };
  const oidc = { enabled: true, config: { providers: [entry] } };
  const schema = JSON.stringify(o.wide === true ? wideSchema() : SCHEMA);
  const config = {
    selfservice: {
      default_browser_return_url: `${base}/ui/`,
      allowed_return_urls: ['myapp://signed-in'],
      methods: o.wide === true ? { ...wide, oidc } : { oidc },
      flows: {
        registration: { after: { hooks: [{ hook: 'session' }] } },
        ...(o.wide === true
          ? {
              recovery: { enabled: true, lifespan: '1s' },
              verification: { enabled: true },
              settings: { privileged_session_max_age: '1s' },
            }
          : {}),
      },
    },
    identity: { schemas: [{ id: 'default', url: base64(schema) }] },
  };
  // JSON is YAML.
  writeFileSync(join(world.folder, 'kratos.yml'), JSON.stringify(config));
  const file = join(world.folder, 'server.yaml');
  writeFileSync(file, 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', file);
  return {
    ...{ world, provider, base },
    close: async () => {
      await world.close();
      await provider.close();
    },
  };
}
