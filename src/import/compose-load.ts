/** Compose files as a whole: merge keys, variables and `extends`, so that what is left is one map for each service (compose-spec). */

import {posix} from 'node:path';
import {TareError, TareErrors} from '../errors.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {readAssignments, type Assignment} from './environment-file.js';
import type {Foreign} from './format.js';
import {interpolate} from './interpolate.js';
import {mergeServices} from './compose-merge.js';
import {readTree, TreeReader, type Branch, type Leaf, type Tree} from './tree.js';

/** Services that extend each other in a row, and files that are read for it. */
const MOST_FILES = 16;

/** A compose file that was read. */
export interface Project {
  /** Keys beside the services. */
  root: Branch;
  services: ReadonlyMap<string, Branch>;
  /** Variables of `.env`, which lies beside the file. */
  variables: ReadonlyMap<string, Assignment>;
}

/** Reads a compose file with all that it extends. What is wrong goes to `problems`. @throws TareError, TareErrors of what cannot be read at all */
export async function loadProject(foreign: Foreign, problems: Problems): Promise<Project> {
  const loader = new Loader(foreign, problems);
  const root = await loader.file('', foreign.text, foreign.file);
  const services = new Map<string, Branch>();
  for (const [name] of loader.servicesOf(root)) {
    const service = await loader.service(root, name, []);
    if (service !== null) services.set(name, service);
  }
  problems.throwIfAny();
  return {root: root.tree, services, variables: loader.variables};
}

interface File {
  tree: Branch;
  /** Its directory, relative to the first file's. */
  directory: string;
  name: string;
}

class Loader {
  readonly #foreign: Foreign;
  readonly #problems: Problems;
  readonly #reader: TreeReader;
  readonly #files = new Map<string, File>();
  readonly variables: ReadonlyMap<string, Assignment>;

  constructor(foreign: Foreign, problems: Problems) {
    this.#foreign = foreign;
    this.#problems = problems;
    this.#reader = new TreeReader(problems);
    const text = foreign.read('.env');
    const found = text === null ? [] : readAssignments(text, '.env', () => null, problems);
    this.variables = new Map(found.filter((one) => one.unknown === null).map((one) => [one.name, one]));
  }

  /** @param path relative to the first file; empty: the first itself */
  async file(path: string, text: string, name: string): Promise<File> {
    const written = await readTree(text, name);
    const tree = this.#interpolated(this.#merged(written)) as Branch;
    const file: File = {tree, directory: path === '' ? '.' : posix.dirname(path), name};
    this.#files.set(path, file);
    return file;
  }

  servicesOf({tree, name}: File): ReadonlyMap<string, Tree> {
    const services = tree.entries.get('services');
    if (services === undefined) {
      this.#problems.invalid({message: 'there are no services', where: name, allowed: 'a map of services'});
      return new Map();
    }
    return this.#reader.map(services, 'services')?.entries ?? new Map<string, Tree>();
  }

  /** A service with what it extends; null: something is wrong with it. */
  async service(file: File, name: string, before: readonly string[]): Promise<Branch | null> {
    const written = this.servicesOf(file).get(name);
    const own = written === undefined ? null : this.#reader.map(written, `service ${name}`);
    if (own === null) return null;
    const from = own.entries.get('extends');
    const self = `${file.name}#${name}`;
    if (from === undefined) return own;
    if (before.includes(self) || before.length >= MOST_FILES) {
      this.#reader.wrong(from, `the service ${name} extends itself, or too many others in a row`, `${MOST_FILES} in a row`);
      return null;
    }
    const base = await this.#extended(file, from, [...before, self]);
    return base === null ? null : mergeServices(base, own);
  }

  async #extended(file: File, from: Tree, before: readonly string[]): Promise<Branch | null> {
    const {service, path} = this.#target(from);
    if (service === null) return null;
    const other = path === null ? file : await this.#other(file, path, from);
    if (other === null) return null;
    if (!this.servicesOf(other).has(service)) {
      this.#problems.invalid({
        message: 'the service that is extended is not there',
        where: from.at,
        found: show(service),
        allowed: [...this.servicesOf(other).keys()].slice(0, 20).join(', '),
      });
      return null;
    }
    const base = await this.service(other, service, before);
    return base === null || other === file ? base : withDirectory(base, other.directory);
  }

  /** `extends: SERVICE`, or a map of service and file. */
  #target(from: Tree): {service: string | null; path: string | null} {
    if (from.kind === 'leaf') return {service: this.#reader.text(from, 'extends'), path: null};
    const entries = this.#reader.map(from, 'extends')?.entries;
    const [service, path] = [entries?.get('service'), entries?.get('file')];
    if (entries !== undefined && service === undefined) this.#reader.wrong(from, 'extends names no service', 'service: NAME');
    return {
      service: service === undefined ? null : this.#reader.text(service, 'service'),
      path: path === undefined ? null : this.#reader.text(path, 'file'),
    };
  }

  async #other(file: File, path: string, from: Tree): Promise<File | null> {
    const relative = posix.isAbsolute(path) ? posix.normalize(path) : posix.join(file.directory, path);
    const known = this.#files.get(relative);
    if (known !== undefined) return known;
    const text = this.#files.size > MOST_FILES ? null : this.#foreign.read(relative);
    if (text !== null) return this.#named(relative, text);
    this.#problems.add(
      new TareError('DOCUMENT_UNREADABLE', {
        message: 'the file that is extended cannot be read',
        where: from.at,
        found: show(relative),
        allowed: `a compose file, relative to the first one; ${MOST_FILES} of them`,
      }),
    );
    return null;
  }

  /** What is in a file that is no compose file is not shown. */
  async #named(path: string, text: string): Promise<File> {
    try {
      return await this.file(path, text, path);
    } catch (error) {
      const [first] = error instanceof TareErrors ? error.errors : error instanceof TareError ? [error] : [];
      if (first === undefined) throw error;
      throw new TareError(first.code, {message: 'the file that is extended is no compose file', where: first.details.where ?? path});
    }
  }

  /** `<<` (https://yaml.org/type/merge.html): keys of other maps, where the map itself has none of the name. */
  #merged(tree: Tree): Tree {
    if (tree.kind === 'leaf') return tree;
    if (tree.kind === 'list') return {...tree, items: tree.items.map((one) => this.#merged(one))};
    const entries = new Map<string, Tree>();
    for (const [key, one] of tree.entries) if (key !== '<<') entries.set(key, this.#merged(one));
    const from = tree.entries.get('<<');
    if (from === undefined) return {...tree, entries};
    const sources = from.kind === 'list' ? from.items : [from];
    for (const source of sources) {
      const map = this.#merged(source);
      if (map.kind !== 'map') this.#reader.wrong(source, 'only maps can be merged', 'a map or a list of maps');
      else for (const [key, one] of map.entries) if (!entries.has(key)) entries.set(key, one);
    }
    return {...tree, entries};
  }

  #interpolated(tree: Tree): Tree {
    if (tree.kind === 'list') return {...tree, items: tree.items.map((one) => this.#interpolated(one))};
    if (tree.kind === 'map')
      return {
        ...tree,
        entries: new Map([...tree.entries].map(([key, one]) => [key, key.startsWith('x-') ? one : this.#interpolated(one)])),
      };
    return typeof tree.value === 'string' && tree.value.includes('$') ? this.#leaf(tree, tree.value) : tree;
  }

  #leaf(leaf: Leaf, text: string): Leaf {
    const {value, unknown, defaulted, known, fault} = interpolate(text, (name) => this.variables.get(name)?.value ?? null);
    if (fault !== null)
      this.#problems.invalid({message: fault, where: leaf.at, found: show(text), allowed: `$NAME, $\{NAME}, $\{NAME:-default}, $$`});
    return {...leaf, value, variables: {written: text, unknown, defaulted, known}};
  }
}

/** A service of another file: its files of variables lie beside that one. */
function withDirectory(service: Branch, directory: string): Branch {
  const files = service.entries.get('env_file');
  if (files === undefined || directory === '.') return service;
  const moved = (tree: Tree): Tree => {
    if (tree.kind === 'list') return {...tree, items: tree.items.map(moved)};
    if (tree.kind === 'map') {
      const path = tree.entries.get('path');
      return path === undefined ? tree : {...tree, entries: new Map([...tree.entries, ['path', moved(path)]])};
    }
    return typeof tree.value === 'string' && !posix.isAbsolute(tree.value) ? {...tree, value: posix.join(directory, tree.value)} : tree;
  };
  return {...service, entries: new Map([...service.entries, ['env_file', moved(files)]])};
}
