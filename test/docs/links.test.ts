/** Links between documents lead to a file that is there, and to a heading in it; and what they call a file of the checkout is one. */

import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path/posix';
import {expect} from 'chai';
import MarkdownIt from 'markdown-it';

const checkout = join(import.meta.dirname, '../..');
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'native/README.md'],
  ...(readdirSync(join(checkout, 'docs'), {recursive: true}) as string[])
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

const parsed = new Map(documents.map((name) => [name, new MarkdownIt().parse(readFileSync(join(checkout, name), 'utf8'), {})]));

/** What a heading is called in a link to it, as code hosts make it. */
const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');

const anchors = new Map(
  [...parsed].map(([name, tokens]) => [
    name,
    new Set(tokens.filter((_, index) => tokens[index - 1]?.type === 'heading_open').map(({content}) => anchorOf(content))),
  ]),
);

/** `src/x.ts` and its like in the text. What is built, and what stands for a name (`plugins/NAME`), is not looked for. */
const pathsOf = (name: string): string[] =>
  (parsed.get(name) ?? [])
    .flatMap(({children}) => children ?? [])
    .flatMap(({type, content}) => (type === 'code_inline' ? [content] : []))
    .filter((path) => /^(?:src|plugins|native|scripts|test|docs|fixtures|configs)\/[\w./-]+$/.test(path))
    .filter((path) => !/\/(?:build|generated)(?:\/|$)|(?:^|\/)[A-Z]+(?:\/|\.|$)/.test(path));

const linksOf = (name: string): string[] =>
  (parsed.get(name) ?? [])
    .flatMap(({children}) => children ?? [])
    .flatMap((token) => (token.type === 'link_open' ? [String(token.attrGet('href'))] : []))
    .filter((link) => !/^[a-z]+:/.test(link));

describe('links of documents', () => {
  it('lead to a file that is there, and to a heading in it', () => {
    const links = documents.flatMap((name) => linksOf(name).map((link) => ({name, link})));
    const dead = links.filter(({name, link}) => {
      const [file = '', anchor = ''] = link.split('#');
      const target = file === '' ? name : join(dirname(name), file);
      return !existsSync(join(checkout, target)) || (anchor !== '' && anchors.get(target)?.has(anchor) === false);
    });
    expect(links.length).to.be.at.least(100);
    expect(dead.map(({name, link}) => `${name}: ${link}`)).to.deep.equal([]);
  });

  it('are not needed where a file of the checkout is named: it is there', () => {
    const named = documents.filter((name) => name !== 'CHANGELOG.md').flatMap((name) => pathsOf(name).map((path) => ({name, path})));
    expect(named.length).to.be.at.least(200);
    expect(named.filter(({path}) => !existsSync(join(checkout, path))).map(({name, path}) => `${name}: ${path}`)).to.deep.equal([]);
  });
});
