/**
 * README.md, CONTRIBUTING.md, SECURITY.md and docs/, followed by a reader: on a node on which Tare's package is installed, each block of a document in order, in one shell of
 * an account's and one of root's.
 */

import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {TARE_VERSION} from '../../src/version.js';
import {need} from '../support/need.js';
import {PrivateNode} from '../support/private-node.js';
import {installed, isRoot, payload, program} from '../support/tare.js';
import {blocksOf, type Block} from './blocks.js';
import {difference} from './compare.js';

const checkout = join(import.meta.dirname, '../..');
const MOST_SKIPPED = 0.1;
const ACCOUNT = 'alice';

const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...markdownBelow('docs')];
const all = documents.map((name) => ({name, ...read(name)}));

function read(name: string): {blocks: Block[]; wrong: Error | null} {
  try {
    return {blocks: blocksOf(name, readFileSync(join(checkout, name), 'utf8')), wrong: null};
  } catch (error) {
    return {blocks: [], wrong: error as Error};
  }
}

function markdownBelow(folder: string): string[] {
  return (readdirSync(join(checkout, folder), {recursive: true}) as string[])
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
    .sort();
}

/** A new node with what `prepare` does there. */
async function nodeWith(base: PrivateNode | null, prepare: (node: PrivateNode) => Promise<void>): Promise<PrivateNode> {
  const node = await PrivateNode.start(base);
  try {
    await prepare(node);
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

async function asRoot(node: PrivateNode, script: string): Promise<void> {
  const {status, text} = await node.sh(script);
  if (status !== 0) throw new Error(`${script}: ${text}`);
}

/** What the documents take for granted: the package, an account, and a program of that account's own. Nodes of documents begin with it. */
async function makeBase(): Promise<PrivateNode> {
  const base = await nodeWith(null, async (node) => {
    await node.addAccount(ACCOUNT, 1000);
    const deb = node.bring(join(checkout, `dist/tare_${TARE_VERSION}_amd64.deb`));
    await asRoot(node, `cp ${deb} /root/ && dpkg --install ${deb}`);
    await asRoot(node, `install -o ${ACCOUNT} ${payload('mcsim')} /home/${ACCOUNT}/simulate`);
  });
  await base.keep();
  return base;
}

const nodeFor = (base: PrivateNode, name: string): Promise<PrivateNode> =>
  nodeWith(base, async (node) => {
    if (name !== 'README.md') return;
    // its reader is in a checkout
    const parts = ['bin', 'build', 'native', 'configs', 'dist', 'node_modules', 'package.json', 'oclif.manifest.json'];
    const here = `/home/${ACCOUNT}/tare`;
    await asRoot(node, `install -d -o ${ACCOUNT} ${here}; for name in ${parts.join(' ')}; do ln -s "${installed()}/$name" ${here}/; done`);
    await asRoot(node, `mv /home/${ACCOUNT}/simulate ${here}/`);
    await node.sh(`cd ${here}`, {account: ACCOUNT});
  });

/** As its reader would write it to a file: with a first line that says what it is, where it is a part of a document. */
async function checkYaml(node: PrivateNode, {text, part, file}: Block): Promise<void> {
  const whole = part === null || /^schema:/m.test(text) ? text : `schema: tare/${part}/v1\n${text}`;
  const where = file ?? '/tmp/part.yaml';
  const path = where.startsWith('/') ? where : join((await node.sh('pwd', {account: ACCOUNT})).text.trim(), where);
  await node.write(path, whole, {owner: where.startsWith('/') ? 'root' : ACCOUNT});
  if (!/^schema: tare\//m.test(whole)) return;
  const {status, text: said} = await node.sh(`tare validate ${path}`);
  expect(status, said).to.equal(0);
}

const isTried = ({kind, skip}: Block): boolean => skip === null && kind !== 'output';
const isTyped = ({kind, skip}: Block): boolean => skip === null && kind === 'sh';

describe('documents', () => {
  it('say of each block what it is, and are run: at most one in ten is not', () => {
    for (const {wrong} of all) if (wrong !== null) throw wrong;
    const blocks = all.flatMap(({blocks: each}) => each);
    const skipped = blocks.filter(({skip}) => skip !== null);
    console.log(`${String(blocks.length)} blocks, ${String(skipped.length)} not run`);
    expect(skipped.length).to.be.at.most(blocks.length * MOST_SKIPPED);
  });

  let base: PrivateNode | null = null;
  before(async function () {
    this.timeout(120_000);
    need(this, isRoot, 'only root can make a node of the test’s own');
    need(this, program('dpkg') !== null, 'dpkg is not installed');
    const versions = execFileSync('dpkg-query', ['--show', 'bubblewrap', 'libc6', 'jq'], {encoding: 'utf8'});
    console.log(`packages of the node: ${versions.trim().replaceAll('\t', ' ').replaceAll('\n', ', ')}`);
    base = await makeBase();
  });

  /** Of documents of which nothing is typed: parts of jobs and policies, which change no node. */
  let shared: PrivateNode | null = null;
  after(async () => {
    await shared?.stop();
    await base?.stop();
  });

  for (const {name, blocks} of all.filter((each) => each.blocks.some(isTried))) {
    describe(name, function () {
      this.timeout(120_000);
      let node: PrivateNode;
      let stop = (): Promise<void> => Promise.resolve();
      before(async () => {
        if (blocks.some(isTyped)) {
          node = await nodeFor(base!, name);
          stop = () => node.stop();
        } else node = shared ??= await nodeFor(base!, name);
      });
      after(() => stop());

      for (const [index, block] of blocks.entries()) {
        const {line, kind, text, account, status} = block;
        if (!isTried(block)) continue;
        it(`${name}:${String(line)}`, async () => {
          if (kind === 'yaml') return checkYaml(node, block);
          const said = await node.sh(text, {account: account === 'root' ? 'root' : ACCOUNT});
          const next = blocks[index + 1];
          const shows = next?.kind === 'output' && next.skip === null ? next : null;
          expect(said.status, `${text}\n${said.text}`).to.equal(status);
          const differs = shows === null ? null : difference(shows.text, said.text);
          if (differs !== null) throw new Error(`shown: ${differs.shown}\ncame:  ${differs.came}\nall that came:\n${said.text}`);
        });
      }
    });
  }
});
