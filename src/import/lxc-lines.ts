/** Lines of an LXC configuration: keys and values as liblxc splits them, of all files that it includes, with the names of today. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import type {Draft, Origin} from './draft.js';
import type {Foreign} from './format.js';
import {visible} from './secret.js';

/** One setting that holds at the end. */
export interface Setting {
  /** Its name since LXC 2.1. */
  key: string;
  value: string;
  origin: Origin;
}

/** Lines of all files together, and files in files. */
const MOST_LINES = 10_000;
const DEEPEST = 16;
/** Characters of a value that are shown with its key. */
const LONGEST_SHOWN = 60;

/** Keys before LXC 2.1 (lxc-update-config(1)). */
const RENAMED: Readonly<Record<string, string>> = {
  'lxc.utsname': 'lxc.uts.name',
  'lxc.rootfs': 'lxc.rootfs.path',
  'lxc.mount': 'lxc.mount.fstab',
  'lxc.id_map': 'lxc.idmap',
  'lxc.init_cmd': 'lxc.init.cmd',
  'lxc.init_uid': 'lxc.init.uid',
  'lxc.init_gid': 'lxc.init.gid',
  'lxc.pts': 'lxc.pty.max',
  'lxc.tty': 'lxc.tty.max',
  'lxc.devttydir': 'lxc.tty.dir',
  'lxc.console': 'lxc.console.path',
  'lxc.aa_profile': 'lxc.apparmor.profile',
  'lxc.aa_allow_incomplete': 'lxc.apparmor.allow_incomplete',
  'lxc.se_context': 'lxc.selinux.context',
  'lxc.seccomp': 'lxc.seccomp.profile',
  'lxc.haltsignal': 'lxc.signal.halt',
  'lxc.rebootsignal': 'lxc.signal.reboot',
  'lxc.stopsignal': 'lxc.signal.stop',
  'lxc.loglevel': 'lxc.log.level',
  'lxc.logfile': 'lxc.log.file',
  'lxc.syslog': 'lxc.log.syslog',
};

/** Reads all settings. What an empty value takes back is left. @throws TareError DOCUMENT_SYNTAX, DOCUMENT_INVALID with the place */
export class Lines {
  settings: Setting[] = [];
  /** Whether a file that is included could not be read, so that there may be more settings. */
  isPartial = false;
  readonly #foreign: Foreign;
  readonly #draft: Draft;
  #count = 0;
  /** Number of the network that a line of LXC 1 or 2 is about. */
  #network = -1;

  constructor(foreign: Foreign, draft: Draft) {
    this.#foreign = foreign;
    this.#draft = draft;
    this.#read(foreign.text, foreign.file, [foreign.file]);
  }

  /** The setting that holds of those of a key, which is its last. All before it are left. */
  last(key: string): Setting | undefined {
    const all = this.all(key);
    for (const {origin} of all.slice(0, -1)) this.#draft.leave(origin, 'a later line replaces it');
    return all.at(-1);
  }

  /** All settings of a key, in their order. */
  all(key: string): Setting[] {
    return this.settings.filter((setting) => setting.key === key);
  }

  #read(text: string, file: string, open: readonly string[]): void {
    for (const [index, line] of text
      .replace(/^\uFEFF/, '')
      .split('\n')
      .entries()) {
      const written = line.trim();
      if (written === '' || written.startsWith('#')) continue;
      const at = `${file}:${index + 1}:${line.search(/\S/) + 1}`;
      if (++this.#count > MOST_LINES)
        throw new TareError('DOCUMENT_INVALID', {
          message: 'too many lines',
          where: at,
          allowed: `${MOST_LINES}, with those of included files`,
        });
      this.#line(written, at, open);
    }
  }

  /** As parse_line() of liblxc: what does not begin with `lxc.` is ignored there. */
  #line(written: string, at: string, open: readonly string[]): void {
    const equals = written.indexOf('=');
    if (!written.startsWith('lxc.')) {
      // whoever names another file may not be allowed to read it
      const as = open.length === 1 ? shown(written) : 'a line';
      this.#draft.leave({at, as}, 'LXC ignores what does not begin with lxc.');
      return;
    }
    if (equals < 0)
      throw new TareError('DOCUMENT_SYNTAX', {message: 'a line without =', where: at, found: show(written), allowed: 'KEY = VALUE'});
    const key = written.slice(0, equals).trim();
    const value = unquoted(written.slice(equals + 1).trim());
    const told = visible(key, value);
    const origin = {at, as: shown(value === '' ? `${key} =` : told === null ? key : `${key} = ${told}`)};
    if (key === 'lxc.include') this.#include(value, origin, open);
    else this.#add(this.#nameOf(key), value, origin);
  }

  #add(key: string, value: string, origin: Origin): void {
    if (value !== '') {
      this.settings.push({key, value, origin});
      return;
    }
    const cleared = this.settings.filter((setting) => setting.key === key || setting.key.startsWith(`${key}.`));
    for (const setting of cleared) this.#draft.leave(setting.origin, `${origin.at} takes it back`);
    this.#draft.leave(origin, 'an empty value takes back what is before it');
    this.settings = this.settings.filter((setting) => !cleared.includes(setting));
  }

  #include(path: string, origin: Origin, open: readonly string[]): void {
    if (open.includes(path))
      throw new TareError('DOCUMENT_INVALID', {message: 'a file that includes itself', where: origin.at, found: show(path)});
    if (open.length > DEEPEST)
      throw new TareError('DOCUMENT_INVALID', {
        message: 'too many files in files',
        where: origin.at,
        found: show(path),
        allowed: `${DEEPEST} levels`,
      });
    const text = path === '' ? null : this.#foreign.read(path);
    if (text === null) this.isPartial = true;
    if (text === null) this.#draft.leave(origin, 'there is no such file here, or it cannot be read: what it says is not taken');
    else this.#read(text, path, [...open, path]);
  }

  /** `lxc.network.*` has no numbers: a new `type` begins the next one. */
  #nameOf(key: string): string {
    if (Object.hasOwn(RENAMED, key)) return RENAMED[key] ?? key;
    if (key.startsWith('lxc.limit.')) return `lxc.prlimit.${key.slice('lxc.limit.'.length)}`;
    if (key === 'lxc.network') return 'lxc.net';
    if (!key.startsWith('lxc.network.')) return key;
    const name = key.slice('lxc.network.'.length);
    if (/^\d/.test(name)) return `lxc.net.${name}`;
    if (name === 'type' || this.#network < 0) this.#network++;
    return `lxc.net.${this.#network}.${name === 'ipv4' || name === 'ipv6' ? `${name}.address` : name}`;
  }
}

const shown = (text: string): string => (text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN - 1)}…` : text);

/** A value between two quotes of one kind is what is between them. */
function unquoted(value: string): string {
  const [quote = ''] = value;
  return value.length > 1 && (quote === '"' || quote === "'") && value.endsWith(quote) ? value.slice(1, -1) : value;
}

/** Words of a command, as lxc_string_split_quoted() of liblxc has them: quotes hold blanks together, and nothing escapes. */
export function quotedWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (const char of text) {
    if (quote !== '' ? char === quote : char === '"' || char === "'") {
      quote = quote === '' ? char : '';
      word ??= '';
    } else if (quote === '' && /[ \t]/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + char;
  }
  return word === null ? words : [...words, word];
}
