/** Layers over layers, by names only: the rules of the OCI image specification, and what evil layers try. */
import {expect} from 'chai';
import {ImageTree, TreeError, type DirectoryNode} from '../../../src/image/tree.js';

const content = (number: number): {number: number} => ({number});

/** All that is there, as `path kind`, in the order of the paths. */
function listing({children}: DirectoryNode, above = ''): string[] {
  return [...children]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, node]) => {
      const path = `${above}${name}`;
      if (node.kind === 'directory') return [`${path}/`, ...listing(node, `${path}/`)];
      return [node.kind === 'symlink' ? `${path} -> ${node.target}` : `${path} ${String(node.content.number)}`];
    });
}

/** A tree of two layers: in the second `whiteout` is called for names that begin with `.wh.`. */
function laid(first: (tree: ImageTree) => void, second: (tree: ImageTree) => void = () => undefined): string[] {
  const tree = new ImageTree();
  tree.nextLayer();
  first(tree);
  tree.nextLayer();
  second(tree);
  return listing(tree.root);
}

describe('layers of an image', () => {
  const base = (tree: ImageTree): void => {
    tree.putDirectory('./d/', 0o755);
    tree.putFile('d/a', content(1));
    tree.putFile('d/b', content(2));
    tree.putFile('d/s/c', content(3));
    tree.putSymlink('l', 'd');
  };
  const rows: [string, (tree: ImageTree) => void, string[]][] = [
    ['nothing changes', () => undefined, ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'l -> d']],
    [
      'a later file takes the place of an earlier one, and of a whole directory',
      (tree) => {
        tree.putFile('d/a', content(9));
        tree.putFile('d/s', content(8));
      },
      ['d/', 'd/a 9', 'd/b 2', 'd/s 8', 'l -> d'],
    ],
    [
      'a directory again keeps what is in it',
      (tree) => tree.putDirectory('d', 0o700),
      ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'l -> d'],
    ],
    ['a whiteout takes one name', (tree) => void tree.whiteout('d/.wh.a'), ['d/', 'd/b 2', 'd/s/', 'd/s/c 3', 'l -> d']],
    ['a whiteout takes a directory with all in it', (tree) => void tree.whiteout('d/.wh.s'), ['d/', 'd/a 1', 'd/b 2', 'l -> d']],
    ['a whiteout of nothing is nothing', (tree) => void tree.whiteout('x/y/.wh.z'), ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'l -> d']],
    [
      'an opaque directory has only what its own layer puts there, before the mark and after',
      (tree) => {
        tree.putFile('d/s/new', content(7));
        tree.whiteout('d/.wh..wh..opq');
        tree.putFile('d/later', content(6));
      },
      ['d/', 'd/later 6', 'd/s/', 'd/s/new 7', 'l -> d'],
    ],
    [
      'a whiteout does not take what its own layer has put there',
      (tree) => {
        tree.putFile('d/a', content(5));
        tree.whiteout('d/.wh.a');
      },
      ['d/', 'd/a 5', 'd/b 2', 'd/s/', 'd/s/c 3', 'l -> d'],
    ],
    ['marks of aufs are nothing', (tree) => void tree.whiteout('.wh..wh.plnk'), ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'l -> d']],
    [
      'what is put below a link is put where it leads in the image',
      (tree) => tree.putFile('l/x', content(4)),
      ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'd/x 4', 'l -> d'],
    ],
    [
      'a link itself is replaced',
      (tree) => {
        tree.putDirectory('l', 0o755);
        tree.putFile('l/x', content(4));
      },
      ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'l/', 'l/x 4'],
    ],
    [
      'a hard link to a file of a lower layer is that file',
      (tree) => {
        tree.putHardLink('h', './d/a');
        tree.putHardLink('i', '/d/a');
      },
      ['d/', 'd/a 1', 'd/b 2', 'd/s/', 'd/s/c 3', 'h 1', 'i 1', 'l -> d'],
    ],
  ];
  for (const [what, second, expected] of rows)
    it(what, () => {
      expect(laid(base, second)).to.deep.equal(expected);
    });

  it('links that lead up or to the root stay in the image', () => {
    const made = laid(
      (tree) => {
        tree.putSymlink('up', '../../../..');
        tree.putSymlink('root', '/');
        tree.putSymlink('etc-of-node', '/etc');
        tree.putSymlink('chain', 'up/etc-of-node');
      },
      (tree) => {
        tree.putFile('up/one', content(1));
        tree.putFile('root/two', content(2));
        tree.putFile('etc-of-node/passwd', content(3));
        tree.putFile('chain/shadow', content(4));
      },
    );
    expect(made).to.deep.equal([
      'chain -> up/etc-of-node',
      'etc/',
      'etc/passwd 3',
      'etc/shadow 4',
      'etc-of-node -> /etc',
      'one 1',
      'root -> /',
      'two 2',
      'up -> ../../../..',
    ]);
  });

  const evil: [string, (tree: ImageTree) => void, RegExp][] = [
    ['a name with ..', (tree) => tree.putFile('a/../../x', content(1)), /leads out of the image/],
    ['only ..', (tree) => tree.putDirectory('..', 0o755), /leads out of the image/],
    ['a whiteout with ..', (tree) => void tree.whiteout('../.wh.x'), /leads out of the image/],
    ['a hard link with ..', (tree) => tree.putHardLink('x', '../../etc/shadow'), /leads out of the image/],
    ['a hard link to nothing of the image', (tree) => tree.putHardLink('x', '/etc/shadow'), /is to no file of the image/],
    ['a hard link to a directory', (tree) => (tree.putDirectory('d', 0o755), tree.putHardLink('x', 'd')), /is to no file of the image/],
    ['links in a circle', (tree) => (tree.putSymlink('a', 'b'), tree.putSymlink('b', 'a'), tree.putFile('a/x', content(1))), /in a circle/],
    [
      'a link whose target is a megabyte',
      (tree) => (tree.putSymlink('l', '/'.repeat(1 << 20)), tree.putFile('l/x', content(1))),
      /more than 4095 bytes/,
    ],
    ['something below a file', (tree) => (tree.putFile('f', content(1)), tree.putFile('f/x', content(2))), /below a file/],
    ['a name that is too long', (tree) => tree.putFile('x'.repeat(256), content(1)), /more than 255 bytes/],
    [
      'a link to a name that is too long',
      (tree) => (tree.putSymlink('l', 'x'.repeat(256)), tree.putFile('l/x', content(1))),
      /more than 255 bytes/,
    ],
    ['a NUL', (tree) => tree.putFile('a\0b', content(1)), /NUL/],
    ['directories without end', (tree) => tree.putFile('a/'.repeat(1000), content(1)), /too deeply/],
    ['a root that is a file', (tree) => tree.putFile('./', content(1)), /root is no directory/],
  ];
  for (const [what, act, message] of evil)
    it(`refused: ${what}`, () => {
      expect(() => laid(act)).to.throw(TreeError, message);
    });

  it('__proto__ is a name like others', () => {
    expect(laid((tree) => tree.putFile('__proto__/x', content(1)))).to.deep.equal(['__proto__/', '__proto__/x 1']);
  });
});
