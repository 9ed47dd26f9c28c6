/**
 * A web app that leaves sign-in and permissions to others: it asks who a browser's cookies belong to (`whoami`) and
 * whether that person may read the home page (`check`), and knows no password itself.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { openVisitBook } from './database.ts';
import { deniedPage, homePage, signInPage } from './pages.ts';

const PORT = Number(process.env['PORT'] ?? 8080);
/** Where the app itself asks, and where browsers are sent; the same here. */
const KRATOS = process.env['KRATOS_EXTERNAL_API_URL'] ?? 'http://127.0.0.1:4433';
const KRATOS_UI = process.env['KRATOS_UI_URL'] ?? `${KRATOS}/self-service`;
const KETO_READ = process.env['KETO_API_READ_URL'] ?? 'http://127.0.0.1:4466';
const HOME = process.env['APP_URL'] ?? `http://127.0.0.1:${PORT}/`;
const PATIENCE_MS = 5_000;

const book = await openVisitBook(
  process.env['DATABASE_URL'],
  process.env['DATABASE_FILE'] ?? 'visits.sqlite3',
);

async function ask(url: string, cookie?: string): Promise<unknown> {
  const answer = await fetch(url, {
    headers: { accept: 'application/json', ...(cookie === undefined ? {} : { cookie }) },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return answer.json();
}

/** The e-mail address of whoever is signed in; undefined for nobody. */
async function personOf(request: IncomingMessage): Promise<string | undefined> {
  const { cookie } = request.headers;
  if (cookie === undefined) return undefined;
  const session = (await ask(`${KRATOS}/sessions/whoami`, cookie)) as {
    active?: boolean;
    identity?: { traits?: { email?: string } };
  };
  return session.active === true ? session.identity?.traits?.email : undefined;
}

/** Whether somebody may read the home page: a relation that an administrator wrote. */
async function mayRead(email: string): Promise<boolean> {
  const query = new URLSearchParams({
    namespace: 'app',
    object: 'homepage',
    relation: 'read',
    subject_id: email.replace('@', ''),
  });
  const answer = (await ask(`${KETO_READ}/check?${query}`)) as { allowed?: boolean };
  return answer.allowed === true;
}

async function logoutUrl(cookie: string | undefined): Promise<string> {
  const answer = (await ask(`${KRATOS}/self-service/logout/browser`, cookie)) as {
    logout_url?: string;
  };
  return answer.logout_url ?? HOME;
}

async function answer(request: IncomingMessage): Promise<{ status: number; html: string }> {
  if (request.url !== '/') return { status: 404, html: deniedPage('There is no such page.', HOME) };
  const email = await personOf(request);
  if (email === undefined) {
    const query = `?return_to=${encodeURIComponent(HOME)}`;
    const links = {
      login: `${KRATOS_UI}/login/browser${query}`,
      registration: `${KRATOS_UI}/registration/browser${query}`,
    };
    return { status: 401, html: signInPage(links) };
  }
  const out = await logoutUrl(request.headers.cookie);
  if (!(await mayRead(email)))
    return { status: 403, html: deniedPage(`${email} may not read this page.`, out) };
  return { status: 200, html: homePage(email, await book.visit(email), out) };
}

const server = createServer(async (request, response) => {
  const page = await answer(request).catch((reason: unknown) => {
    // Whoever can not be asked has not said yes.
    console.error(reason);
    return { status: 503, html: deniedPage('Sign-in or permissions are out of reach.', HOME) };
  });
  response.writeHead(page.status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  });
  response.end(page.html);
});
server.listen(PORT, '127.0.0.1', () => console.log(`The app is at ${HOME}`));
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void book.close();
});
