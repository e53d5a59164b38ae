// The check `words` of npm run lint: words of scripts/words.json that had several meanings, or none that the field knows, are not used again,
// as names of files, in code or in prose. docs/reference/glossary.md says what each was.
import {spawnSync} from 'node:child_process';
import {readFileSync, statSync} from 'node:fs';
import path from 'node:path';

const {allowed, words, files} = JSON.parse(readFileSync(new URL('words.json', import.meta.url), 'utf8'));

const ALLOWED = allowed.map((place) => new RegExp(place));
/** `but`: what the word may stand in; `in`: files in which it may stand; `only`: the files that are searched; `code`: not its comments and strings. */
const WORDS = words.map(({word, use, is, flags = '', but = [], in: places = [], only = '', code = false}) => ({
  what: `${word}: use ${use}`,
  is: new RegExp(is, `g${flags}`),
  but: but.map((each) => new RegExp(each, 'g')),
  places: places.map((place) => new RegExp(place)),
  only: new RegExp(only),
  code,
}));
const FILES = files.map(({is, use}) => ({is: new RegExp(is), use}));

const CODE = /\.(?:[cm]?[jt]s|[ch])$/;
const blank = (found) => found.replaceAll(/[^\n]/g, ' ');

/** The same lines without comments and strings: what is left are names. */
const namesOf = (text) => text.replaceAll(/\/\*[^]*?\*\/|(?<![:'"`\\])\/\/.*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, blank);

function faultsOf(name, text) {
  const names = CODE.test(name) ? namesOf(text) : null;
  return WORDS.filter(({places, only, code}) => only.test(name) && !places.some((place) => place.test(name)) && !(code && names === null))
    .map(({code, ...word}) => ({...word, of: code ? names : text}))
    .filter(({is, of}) => of.search(is) >= 0)
    .map(({what, is, but, of}) => ({what, is, left: but.reduce((now, each) => now.replaceAll(each, blank), of)}))
    .flatMap(({what, is, left}) => [...left.matchAll(is)].map(({index}) => `${name}:${left.slice(0, index).split('\n').length}: ${what}`));
}

/**
 * @param root the repository's
 * @returns a line for each place, with the word and what is used instead; '' when there is none
 */
export function wordFaults(root) {
  const {stdout} = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const names = stdout
    .split('\0')
    .filter(
      (name) =>
        name !== '' &&
        !ALLOWED.some((place) => place.test(name)) &&
        statSync(path.join(root, name), {throwIfNoEntry: false})?.isFile() === true,
    );
  if (names.length === 0) return 'no file was looked at';
  const named = names.flatMap((name) => FILES.filter(({is}) => is.test(name)).map(({use}) => `${name}: name it by ${use}`));
  const texts = names.flatMap((name) => {
    const bytes = readFileSync(path.join(root, name));
    return bytes.includes(0) ? [] : faultsOf(name, bytes.toString('utf8'));
  });
  return [...named, ...texts].join('\n');
}
