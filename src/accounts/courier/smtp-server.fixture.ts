/** For tests: a mail server that takes what it is given, refuses, or is away (RFC 5321, as much as a client needs). */
import { createServer, type Server, type Socket } from 'node:net';

export interface Mail {
  readonly to: string;
  readonly text: string;
}

export class SmtpServer {
  readonly mails: Mail[] = [];
  /** What RCPT is answered with. */
  answer: string = '250 ok';
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  port = 0;

  async start(): Promise<void> {
    this.#server = createServer((socket) => this.#talk(socket));
    await new Promise<void>((done) => this.#server?.listen(this.port, '127.0.0.1', done));
    const address = this.#server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server?.close(done));
  }

  #talk(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    let seen = '';
    let data: string | undefined;
    let to = '';
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    say('220 test');
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      seen += chunk;
      for (let end = seen.indexOf('\r\n'); end >= 0; end = seen.indexOf('\r\n')) {
        const line = seen.slice(0, end);
        seen = seen.slice(end + 2);
        if (data !== undefined) {
          if (line === '.') {
            this.mails.push({ to, text: data });
            data = undefined;
            say('250 taken');
          } else data += `${line}\n`;
        } else if (/^EHLO/i.test(line)) say('250 test');
        else if (/^RCPT TO:<(.*)>/i.test(line)) {
          to = /^RCPT TO:<(.*)>/i.exec(line)?.[1] ?? '';
          say(this.answer);
        } else if (/^DATA/i.test(line)) {
          data = '';
          say('354 go on');
        } else if (/^QUIT/i.test(line)) {
          say('221 bye');
          socket.end();
        } else say('250 ok');
      }
    });
  }
}
