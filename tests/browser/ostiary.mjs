// Starts the real binary for a test, on ports and in a folder of its own, and speaks its command line.
//
//   OSTIARY_BIN              the binary (target/debug/ostiary)
//   OSTIARY_TEST_POSTGRES    a superuser's address; each server gets a database of its own
//   OSTIARY_TEST_REDIS       an address without a database number; each server gets one of its own
//
// `bash tests/run browser` sets all three.
import { spawn } from 'node:child_process';
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import '../services/resolve-localhost.cjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const binary = process.env.OSTIARY_BIN || join(root, 'target/debug/ostiary');

/** The pairs of database and cache that every journey is made on. */
export const pairs = [
  { name: 'SQLite and memory', embedded: true },
  { name: 'PostgreSQL and Redis', embedded: false },
];

/** Runs a program to its end. Gives `{ code, stdout, stderr }`, whatever the code. */
export function run(program, args, { stdin = '', env = process.env, cwd } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece) => { out.stdout += piece; });
    child.stderr.on('data', (piece) => { out.stderr += piece; });
    child.on('error', fail);
    child.on('close', (code) => done({ code, ...out }));
    // A program that ends without reading what it is given is no trouble of ours.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}

/** A free port of the loopback address. */
export function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer().on('error', fail).listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** A new, empty PostgreSQL database: its address, and a function that removes it. */
export async function newDatabase(prefix) {
  const server = process.env.OSTIARY_TEST_POSTGRES;
  if (!server) throw new Error('OSTIARY_TEST_POSTGRES is not set: run this by "bash tests/run browser"');
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  const sql = async (text) => {
    const { code, stderr } = await run('psql', [server, '-qX', '-c', text]);
    if (code !== 0) throw new Error(`psql: ${stderr}`);
  };
  await sql(`create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, remove: () => sql(`drop database if exists ${name} with (force)`) };
}

/** A running server. Made by `Ostiary.start`. */
export class Ostiary {
  output = '';
  log = '';

  /** Starts a server on one of `pairs`; `settings` are further OSTIARY_… variables, `file` what its ostiary.toml says. */
  static async start(pair, settings = {}, file = '') {
    const made = new Ostiary();
    made.folder = await mkdtemp(join(tmpdir(), 'ostiary-'));
    if (file) await writeFile(join(made.folder, 'ostiary.toml'), file);
    if (settings.OSTIARY_HTTPS__MODE) settings = { ...settings, OSTIARY_HTTPS__LISTEN: `127.0.0.1:${await freePort()}` };
    made.httpPort = await freePort();
    made.ldapPort = await freePort();
    // Nothing of the caller's own settings may reach the server under test.
    made.env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OSTIARY_')));
    Object.assign(made.env, {
      OSTIARY_SERVER__DATA_DIR: join(made.folder, 'data'),
      OSTIARY_HTTP__LISTEN: `127.0.0.1:${made.httpPort}`,
      OSTIARY_LDAP__LISTEN: `127.0.0.1:${made.ldapPort}`,
      ...settings,
    });
    if (!pair.embedded) {
      const cache = process.env.OSTIARY_TEST_REDIS;
      if (!cache) throw new Error('OSTIARY_TEST_REDIS is not set: run this by "bash tests/run browser"');
      made.database = await newDatabase('ostiary');
      made.env.OSTIARY_DATABASE__URL = made.database.url;
      made.env.OSTIARY_CACHE__URL = `${cache}/${randomInt(1, 16384)}`;
    }
    const secure = made.env.OSTIARY_HTTPS__LISTEN?.split(':').at(-1);
    const at = (host) => (secure ? `https://${host}.localhost:${secure}` : `http://${host}.localhost:${made.httpPort}`);
    [made.accounts, made.directory] = [at('accounts'), at('directory')];
    made.ldap = `ldap://127.0.0.1:${made.ldapPort}`;
    made.baseDn = 'dc=localhost';
    await made.#serve();
    return made;
  }

  async #serve() {
    const child = spawn(binary, ['serve'], { env: this.env, cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.ended = new Promise((done) => {
      child.on('error', (error) => { this.log += `${error}\n`; done(); });
      child.on('close', done);
    });
    child.stdout.on('data', (piece) => { this.output += piece; });
    child.stderr.on('data', (piece) => { this.log += piece; });
    this.endWithUs = () => this.#signal('SIGKILL');
    process.once('exit', this.endWithUs);
    const limit = Date.now() + 30_000;
    while (!/^ready in /m.test(this.output)) {
      if (child.exitCode !== null || child.pid === undefined || Date.now() > limit) {
        await this.stop();
        throw new Error(`the server did not get ready\n${this.output}${this.log}`);
      }
      await sleep(20);
    }
  }

  /** The one-time address that makes the first administrator, as the server printed it. */
  get setUpLink() {
    const found = /https?:\/\/\S+\/set-up\/\S+/.exec(this.output);
    if (!found) throw new Error(`no set-up link in:\n${this.output}`);
    return found[0];
  }

  /** A person's DN. */
  dn(username) { return `uid=${username},ou=people,${this.baseDn}`; }

  /** Runs `ostiary ARGS`; gives `{ code, stdout, stderr }`. */
  tryCli(args, { stdin } = {}) { return run(binary, args, { stdin, env: this.env, cwd: this.folder }); }

  /** Runs `ostiary ARGS`, which must work; gives its standard output. */
  async cli(args, options) {
    const { code, stdout, stderr } = await this.tryCli(args, options);
    if (code !== 0) throw new Error(`ostiary ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Adds a person by the command line; without a password they cannot sign in. */
  addPerson({ username, email = `${username}@example.tld`, given, family, display, password, groups = [] }) {
    const args = ['user', 'add', username, '--email', email];
    if (given) args.push('--given-name', given);
    if (family) args.push('--family-name', family);
    if (display) args.push('--display-name', display);
    for (const group of groups) args.push('--group', group);
    if (password) args.push('--password-stdin');
    return this.cli(args, { stdin: password && `${password}\n` });
  }

  // Node turns a signal for a program that could not be started into one for our own process group.
  #signal(name) { if (this.child.pid !== undefined) this.child.kill(name); }

  /** Ends the server by its pid, as an administrator would, and removes what it left. */
  async stop() {
    process.removeListener('exit', this.endWithUs);
    this.#signal('SIGTERM');
    const late = await Promise.race([this.ended, sleep(15_000, 'late', { ref: false })]) === 'late';
    if (late) {
      this.#signal('SIGKILL');
      await this.ended;
    }
    await this.database?.remove();
    await rm(this.folder, { recursive: true, force: true });
    if (late) throw new Error('the server did not end within 15 s of SIGTERM');
  }
}

/** The TOTP code (RFC 6238: SHA-1, six figures, 30 s) of a base32 secret for one time step. */
export function totp(secret, step = Math.floor(Date.now() / 30_000)) {
  let bits = '';
  for (const letter of secret.replace(/[\s=]/g, '').toUpperCase()) {
    bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0');
  }
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', key).update(counter).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

/**
 * An authenticator that never shows the same code twice, since each works only once. The server
 * takes the steps before and after the current one too, so three sign-ins need no waiting.
 */
export class Authenticator {
  #used = 0;

  constructor(secret) { this.secret = secret; }

  async code() {
    for (;;) {
      // Not the step before when it is about to fall out of the server's window.
      const earliest = Math.floor((Date.now() - 20_000) / 30_000);
      const step = Math.max(earliest, this.#used + 1);
      if (step <= Math.floor(Date.now() / 30_000) + 1) {
        this.#used = step;
        return totp(this.secret, step);
      }
      await sleep(500);
    }
  }
}
