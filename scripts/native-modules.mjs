// The check `native` of npm run lint: what one file of native/ takes from another, read from the sources alone. A module is NAME.c with NAME.h.
// An arrow leads from a module to each one whose header it includes or whose symbols it uses. No arrows may form a circle; a header declares what
// its own module exports, and nothing else declares it; the name of a static function or variable belongs to one file.
import {readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';

const IDENTIFIER = /(?<!\.\s*|->\s*)\b[A-Za-z_]\w*/g;

/** Comments, strings and characters go, lines stay; `includes`: headers of native/ that the text names. */
function plain(text) {
  const includes = [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, name]) => name);
  const code = text
    .replaceAll(/\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'/g, (found) => (found.startsWith('/*') ? ' ' : '0'))
    .replaceAll(/^#(?:.*\\\n)*.*/gm, '')
    .replaceAll(/__attribute__\s*\(\(.*\)\)/g, '');
  return {includes, code};
}

/** What stands outside of all braces: each declaration as `head`, with what was in its braces as `body`. */
function declarations(code) {
  const found = [];
  let head = '';
  let body = '';
  let depth = 0;
  const end = () => {
    if (head.trim() !== '') found.push({head: head.trim(), body});
    head = body = '';
  };
  for (const character of code) {
    if (character === '{' && depth++ === 0) continue;
    if (character === '}' && --depth === 0) {
      // a function has no semicolon
      if (/\)\s*$/.test(head) && !head.includes('=')) end();
      continue;
    }
    if (depth > 0) body += character;
    else if (character === ';') end();
    else head += character;
  }
  return found;
}

/** Names of the variables of a declaration without braces: the last word of each declarator. */
function variables(head) {
  const declarators = head
    .replaceAll(/\[[^\]]*\]/g, '')
    .split(',')
    .map((declarator) => declarator.split('=')[0].trim());
  // `struct box` alone is a type, and so is `enum`
  if (/^(?:static\s+|const\s+)*(?:struct|union|enum)(?:\s+\w+)?$/.test(declarators[0])) return [];
  return declarators.map((declarator) => /\w+$/.exec(declarator)?.[0]).filter((name) => name !== undefined);
}

/** @returns what the text of one file defines, declares and names */
function read(text) {
  const {includes, code} = plain(text);
  const file = {includes, exported: [], statics: [], declared: [], named: new Set()};
  for (const {head, body} of declarations(code)) {
    const isStatic = /\bstatic\b/.test(head);
    const isPrototype = body === '' && head.includes('(') && !head.includes('=');
    const isFunction = !isPrototype && /^[^=(]*\w\s*\(.*\)$/s.test(head);
    const name = /(\w+)\s*\(/.exec(head)?.[1];
    if (/^(?:typedef|_Static_assert)\b/.test(head)) continue;
    if (isPrototype && !isStatic) file.declared.push(name);
    else if (/^extern\b/.test(head)) file.declared.push(...variables(head));
    else if (!isPrototype) (isStatic ? file.statics : file.exported).push(...(isFunction ? [name] : variables(head)));
    // of a type the fields are no names; an initial value is
    for (const [word] of `${isFunction || head.includes('=') ? body : ''} ${head.split('=').slice(1).join('=')}`.matchAll(IDENTIFIER))
      file.named.add(word);
  }
  return file;
}

/** Headers that a file sees, with those that they include. */
function seen(files, name, found = new Set()) {
  for (const header of files.get(name)?.includes ?? [])
    if (!found.has(header)) {
      found.add(header);
      seen(files, header, found);
    }
  return found;
}

const moduleOf = (name) => path.basename(name, path.extname(name));

/** @returns from module to module, and why: the first header or symbol that was found */
function arrows(files) {
  const owners = new Map();
  for (const [name, {exported}] of files) for (const symbol of exported) owners.set(symbol, name);
  const found = new Map([...files.keys()].map((name) => [moduleOf(name), new Map()]));
  for (const [name, file] of files) {
    const from = found.get(moduleOf(name));
    const headers = seen(files, name);
    const visible = new Set([...headers].flatMap((header) => files.get(header)?.declared ?? []));
    const add = (to, why) => to !== moduleOf(name) && !from.has(to) && from.set(to, why);
    for (const symbol of file.named) if (visible.has(symbol) && owners.has(symbol)) add(moduleOf(owners.get(symbol)), symbol);
    for (const header of file.includes) if (files.has(header)) add(moduleOf(header), header);
  }
  return found;
}

/** The shortest way from a module back to it; undefined: there is none. */
function circle(graph, start) {
  const ways = [[start]];
  const been = new Set();
  for (let way = ways.shift(); way !== undefined; way = ways.shift())
    for (const next of graph.get(way.at(-1))?.keys() ?? []) {
      if (next === start) return [...way, start];
      if (been.has(next)) continue;
      been.add(next);
      ways.push([...way, next]);
    }
  return undefined;
}

function circles(graph) {
  const said = new Set();
  return [...graph.keys()].flatMap((start) => {
    const way = circle(graph, start);
    if (way === undefined || way.some((name) => said.has(name))) return [];
    for (const name of way) said.add(name);
    const steps = way.slice(1).map((name, i) => ` -> ${name} (${graph.get(way[i]).get(name)})`);
    return [`circle: ${start}${steps.join('')}`];
  });
}

function repeated(files) {
  const places = new Map();
  for (const [name, {statics, exported}] of files)
    for (const symbol of [...statics, ...exported]) places.set(symbol, new Set([...(places.get(symbol) ?? []), name]));
  return [...places].filter(([, names]) => names.size > 1).map(([symbol, names]) => `${symbol} is defined in ${[...names].join(' and ')}`);
}

function declaredElsewhere(files) {
  return [...files].flatMap(([name, {declared}]) => {
    if (name.endsWith('.c')) return declared.map((symbol) => `${name} declares ${symbol}, which only its header may`);
    const own = files.get(`${moduleOf(name)}.c`)?.exported ?? [];
    return declared.filter((symbol) => !own.includes(symbol)).map((symbol) => `${name} declares ${symbol}, which is another module's`);
  });
}

/** @returns one line for each fault of the C sources in a directory; '' when all is well */
export function nativeFaults(directory) {
  const names = readdirSync(directory).filter((name) => /\.[ch]$/.test(name));
  const files = new Map(names.map((name) => [name, read(readFileSync(path.join(directory, name), 'utf8'))]));
  return [...circles(arrows(files)), ...declaredElsewhere(files), ...repeated(files)].join('\n');
}
