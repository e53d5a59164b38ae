import {expect} from 'chai';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {askVersion} from '../../../src/host/engine.js';
import {openCache} from '../../../src/host/cache.js';
import {readLandlock} from '../../../src/host/landlock.js';
import {readStatus} from '../../../src/host/status.js';
import {memoryTree} from './memory-tree.js';
import {engine as BUBBLEWRAP} from '../../../plugins/bubblewrap/engine.js';

const UID = process.getuid?.() ?? 0;
const STATUS = {...readStatus(memoryTree({})), filtered: false};

describe('the cache of facts', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-cache-'));
    file = join(directory, 'facts.json');
    const cache = openCache(file, 'boot-1', UID);
    cache.put('a', '1');
    cache.save();
  });

  afterEach(() => {
    rmSync(directory, {recursive: true});
  });

  const known = (at = file, boot = 'boot-1', uid = UID) => openCache(at, boot, uid).get('a');

  it('is found again in the same boot, and leaves no temporary file', () => {
    expect(known()).to.equal('1');
    expect(readdirSync(directory)).to.deep.equal(['facts.json']);
  });

  it('is not written where nothing in it is new: a job that changes nothing writes nothing', () => {
    const {ino} = statSync(file);
    const again = openCache(file, 'boot-1', UID);
    again.put('a', '1');
    again.save();
    expect(statSync(file).ino).to.equal(ino);
    const cache = openCache(file, 'boot-1', UID);
    cache.put('a', '2');
    cache.save();
    expect(known()).to.equal('2');
  });

  it('is not believed after a boot', () => {
    expect(known(file, 'boot-2')).to.equal(undefined);
  });

  it('is not believed when others may write it', () => {
    chmodSync(file, 0o664);
    expect(known()).to.equal(undefined);
  });

  it('is not believed when it is another user’s', () => {
    if (UID === 0) chownSync(file, 12345, 12345);
    expect(known(file, 'boot-1', UID === 0 ? 0 : UID + 1)).to.equal(undefined);
  });

  it('is not believed through a link of either kind', () => {
    symlinkSync(file, join(directory, 'symbolic'));
    expect(known(join(directory, 'symbolic'))).to.equal(undefined);
    linkSync(file, join(directory, 'hard'));
    expect(known(join(directory, 'hard'))).to.equal(undefined);
  });

  it('is not believed when it is rubbish, missing, or a directory', () => {
    for (const text of ['', '{', '[]', 'null', '{"format":"tare/facts-cache/v1","bootId":"boot-1","entries":{"a":1}}']) {
      writeFileSync(file, text);
      expect(known(), text).to.equal(undefined);
    }
    expect(known(directory)).to.equal(undefined);
    expect(known(join(directory, 'nothing'))).to.equal(undefined);
  });

  it('does not fail when it cannot be written', () => {
    const cache = openCache(join(directory, 'no', 'such', 'place'), 'boot-1', UID);
    cache.put('a', '1');
    cache.save();
    expect(cache.get('a')).to.equal('1');
  });

  it('saves a second query about Landlock, also on a kernel without it, until a filter is on', () => {
    const read = (said: string, filtered: boolean) => {
      const cache = openCache(file, 'boot-1', UID);
      const answers = [said, said].map((answer) => {
        let asked = false;
        const ask = () => {
          asked = true;
          return answer;
        };
        const {abi} = readLandlock(memoryTree({}), {...STATUS, filtered}, ask, cache);
        return [abi, asked];
      });
      cache.save();
      return answers;
    };
    expect(read('7\n', false)).to.deep.equal([
      [7, true],
      [7, false],
    ]);
    expect(read('0\n', true)).to.deep.equal([
      [null, true],
      [null, false],
    ]);
    expect(read('3\n', false)[0]).to.deep.equal([7, false]);
  });

  it('does not keep that Landlock could not be asked for', () => {
    const cache = openCache(file, 'boot-1', UID);
    const read = (ask?: () => string | null) => readLandlock(memoryTree({'/proc/filesystems': 'nodev\tmqueue\n'}), STATUS, ask, cache);
    expect(read(() => null)).to.include({abi: null, queues: true, how: 'landlock_create_ruleset(2) could not be tried'});
    expect(read()).to.include({abi: null, how: 'it was not asked for'});
    expect(read(() => '4')).to.include({abi: 4, remedy: null});
  });

  it('saves a second start of an engine, until the file changes', () => {
    let started = 0;
    const spawn = () => {
      started++;
      return 'bubblewrap 0.11.0\n';
    };
    const program = {mode: 0o755, uid: 0, size: 1, mtimeMs: 1};
    const ask = (size: number) => {
      const cache = openCache(file, 'boot-1', UID);
      const version = askVersion(spawn, cache)(BUBBLEWRAP, '/usr/bin/bwrap', {...program, size});
      cache.save();
      return version;
    };
    expect([ask(1), ask(1), ask(2)]).to.deep.equal(['0.11.0', '0.11.0', '0.11.0']);
    expect(started).to.equal(2);
    expect(JSON.parse(readFileSync(file, 'utf8'))).to.have.property('bootId', 'boot-1');
  });
});
