import {expect} from 'chai';
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import fs, {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {syncBuiltinESMExports} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {EXIT} from '../../../src/errors.js';
import {canonicalJson} from '../../../src/plan/canonical.js';
import {startedRecord, type UsageRecord} from '../../../src/record/record.js';
import {makeDirectory, removeUnfinished, writeDurably} from '../../../src/record/durable.js';
import {writeCopy, writeRecord} from '../../../src/record/spool.js';
import {plan, thrown, USER, grid} from '../plan/build.js';

const recordPath = (spool: string, id: string): string => join(spool, `${id}.json`);

const record: UsageRecord = startedRecord(
  {
    lrms: {type: 'none', host: 'wn001', queue: null, localJobId: null, globalJobId: 'wn001#ab', attempt: 1},
    identity: USER,
    grid: grid(null),
    parent: null,
    name: null,
    host: {node: 'wn001', bootId: null, kernel: null, cpuModel: null, tareVersion: '0.1.0'},
    trust: 'user',
    site: {name: null, infrastructure: null, description: null},
  },
  plan(),
);

describe('the spool', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-spool-'));
  });
  afterEach(() => {
    rmSync(directory, {recursive: true, force: true});
  });

  it('holds one file per record, named by its id, in canonical JSON with a newline', () => {
    const spool = join(directory, 'a', 'b');
    const path = writeRecord(spool, record);
    expect(path).to.equal(join(spool, `${record.recordId}.json`));
    expect(readFileSync(path, 'utf8')).to.equal(`${canonicalJson(record)}\n`);
    expect(readdirSync(spool)).to.deep.equal([`${record.recordId}.json`]);
    expect(statSync(path).mode & 0o022).to.equal(0);
  });

  it('replaces a record by its next state', () => {
    writeRecord(directory, record);
    const path = writeRecord(directory, {...record, state: 'final'});
    expect((JSON.parse(readFileSync(path, 'utf8')) as UsageRecord).state).to.equal('final');
    expect(readdirSync(directory)).to.have.length(1);
  });

  it('never shows a part of a record to a reader', async () => {
    const path = recordPath(directory, record.recordId);
    writeRecord(directory, record);
    // long enough to be seen half written, were it written in place
    const large = {...record, flags: Array.from({length: 3000}, (_, index) => `flag-${index}`)};
    const reader = `
      const {readFileSync, existsSync} = require('node:fs');
      const seen = new Set();
      console.log('ready');
      while (!existsSync(process.argv[2])) {
        const text = readFileSync(process.argv[1], 'utf8');
        if (!text.endsWith('}\\n')) { console.log('a part'); process.exit(1); }
        seen.add(JSON.parse(text).revision);
      }
      console.log(seen.size);`;
    const stop = join(directory, 'stop');
    const child = spawn(process.execPath, ['-e', reader, path, stop], {stdio: ['ignore', 'pipe', 'inherit']});
    let output = '';
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise<void>((resolve) =>
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.startsWith('ready')) resolve();
      }),
    );
    for (let revision = 1; revision <= 200; revision++) {
      writeRecord(directory, {...(revision % 2 === 0 ? large : record), revision});
      if (revision % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    writeFileSync(stop, '');
    expect(await ended, output).to.equal(0);
    expect(Number(output.split('\n')[1])).to.be.above(3);
  }).timeout(10_000);

  /** With a known temporary name, which no other account can foresee. */
  function foreseen<T>(action: (name: string) => T): T {
    const random = crypto;
    try {
      Object.defineProperty(random, 'getRandomValues', {value: (bytes: Uint8Array) => bytes.fill(0xab), configurable: true});
      return action(`${recordPath(directory, record.recordId)}.abababababababab.tmp`);
    } finally {
      Reflect.deleteProperty(random, 'getRandomValues');
    }
  }

  it('is written by an unpredictable temporary name beside the record’s', () => {
    const path = recordPath(directory, record.recordId);
    const names: string[] = [];
    const {renameSync: real} = fs;
    try {
      fs.renameSync = (from, to) => {
        names.push(from as string);
        expect(to).to.equal(path);
        expect(readFileSync(from, 'utf8')).to.equal(`${canonicalJson(record)}\n`);
        real(from, to);
      };
      syncBuiltinESMExports();
      for (let time = 0; time < 3; time++) writeRecord(directory, record);
    } finally {
      fs.renameSync = real;
      syncBuiltinESMExports();
    }
    expect(new Set(names).size).to.equal(3);
    for (const name of names) {
      expect(name.startsWith(`${path}.`)).to.equal(true);
      expect(name.slice(path.length)).to.match(/^\.[0-9a-f]{16}\.tmp$/);
    }
    expect(readdirSync(directory)).to.deep.equal([`${record.recordId}.json`]);
  });

  it('is not stopped by what a supervisor that died left behind, which can be cleared', () => {
    const path = recordPath(directory, record.recordId);
    const left = ['0123456789abcdef', 'ffffffffffffffff'].map((random) => `${path}.${random}.tmp`);
    for (const file of left) writeFileSync(file, 'half a rec');
    const others = [`other.json.0123456789abcdef.tmp`, `x${record.recordId}.json.0123456789abcdef.tmp`, `${record.recordId}.json.old`];
    for (const other of others) writeFileSync(join(directory, other), 'not mine');
    writeRecord(directory, record);
    expect(readFileSync(path, 'utf8')).to.equal(`${canonicalJson(record)}\n`);
    removeUnfinished(path);
    for (const file of left) expect(existsSync(file)).to.equal(false);
    expect(readFileSync(path, 'utf8')).to.equal(`${canonicalJson(record)}\n`);
    expect(readdirSync(directory).sort()).to.deep.equal([...others, `${record.recordId}.json`].sort());
  });

  it('clears links that were left, not what they point to, and is not stopped by a directory', () => {
    const path = recordPath(directory, record.recordId);
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'mine');
    mkdirSync(join(`${path}.0000000000000000.tmp`, 'x'), {recursive: true});
    symlinkSync(victim, `${path}.0123456789abcdef.tmp`);
    removeUnfinished(path);
    expect(readFileSync(victim, 'utf8')).to.equal('mine');
    expect(readdirSync(directory).sort()).to.deep.equal([`${record.recordId}.json.0000000000000000.tmp`, 'victim'].sort());
  });

  it('does not follow a link at the record’s name', () => {
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'mine');
    const path = recordPath(directory, record.recordId);
    symlinkSync(victim, path);
    writeRecord(directory, record);
    expect(readFileSync(victim, 'utf8')).to.equal('mine');
    expect(lstatSync(path).isSymbolicLink()).to.equal(false);
  });

  it('does not write through a link at the temporary name, were it foreseen', () => {
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'mine');
    foreseen((temporary) => {
      symlinkSync(victim, temporary);
      expect(thrown(() => writeRecord(directory, record)).details.found).to.equal('EEXIST');
    });
    expect(readFileSync(victim, 'utf8')).to.equal('mine');
    expect(existsSync(recordPath(directory, record.recordId))).to.equal(false);
  });

  it('cannot be written with a directory at the temporary name, were it foreseen', () => {
    foreseen((temporary) => {
      mkdirSync(join(temporary, 'x'), {recursive: true});
      const error = thrown(() => writeRecord(directory, record));
      expect([error.code, error.exit, error.details.found]).to.deep.equal(['SPOOL_UNWRITABLE', EXIT.failure, 'EEXIST']);
      expect(existsSync(join(temporary, 'x'))).to.equal(true);
    });
  });

  it('is made when a record is written; the directory of a copy is not', () => {
    const missing = join(directory, 'a', 'b');
    expect(() => writeDurably(join(missing, 'file'), 'text')).to.throw(/ENOENT/);
    expect(readdirSync(directory)).to.deep.equal([]);
    writeRecord(missing, record);
    expect(readdirSync(missing)).to.deep.equal([`${record.recordId}.json`]);
  });

  const unwritable: [title: string, make: () => string][] = [
    [
      'below a file',
      () => {
        writeFileSync(join(directory, 'file'), '');
        return join(directory, 'file', 'spool');
      },
    ],
    [
      'that is a file',
      () => {
        writeFileSync(join(directory, 'file'), '');
        return join(directory, 'file');
      },
    ],
    ['where no file can be made', () => '/proc/self'],
    [
      'with a directory at the record’s name',
      () => {
        mkdirSync(join(directory, `${record.recordId}.json`, 'x'), {recursive: true});
        return directory;
      },
    ],
  ];
  for (const [title, make] of unwritable) {
    it(`says so when it cannot be written: ${title}`, () => {
      const spool = make();
      const error = thrown(() => writeRecord(spool, record));
      expect([error.code, error.exit]).to.deep.equal(['SPOOL_UNWRITABLE', EXIT.failure]);
      expect(error.message).to.include(`cannot write ${spool}/${record.recordId}.json: `).and.not.include('\n');
      expect(error.details.found).to.match(/^E[A-Z_]+$/);
      expect(error.cause).to.be.an('error');
    });
  }

  it('leaves nothing but the old file when a new one cannot be put in its place', () => {
    mkdirSync(join(directory, 'target', 'x'), {recursive: true});
    expect(() => writeDurably(join(directory, 'target'), 'text')).to.throw(/EISDIR|ENOTEMPTY/);
    expect(thrown(() => writeCopy(join(directory, 'target'), record)).code).to.equal('SPOOL_UNWRITABLE');
    expect(readdirSync(directory)).to.deep.equal(['target']);
  });

  describe('and a copy elsewhere', () => {
    const text = `${canonicalJson(record)}\n`;

    it('is a new file, or one put in the old one’s place', () => {
      const path = join(directory, 'copy');
      writeCopy(path, record);
      expect(readFileSync(path, 'utf8')).to.equal(text);
      const descriptor = openSync(path, 'r');
      writeCopy(path, {...record, revision: 7});
      // a reader of the old one reads it to its end
      expect(readFileSync(descriptor, 'utf8')).to.equal(text);
      closeSync(descriptor);
      expect((JSON.parse(readFileSync(path, 'utf8')) as UsageRecord).revision).to.equal(7);
      expect(readdirSync(directory)).to.deep.equal(['copy']);
    });

    it('is written into a pipe, which stays', () => {
      const path = join(directory, 'pipe');
      execFileSync('mkfifo', [path]);
      const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
      try {
        writeCopy(path, record);
        const buffer = Buffer.alloc(2 * text.length + 1000);
        expect(buffer.toString('utf8', 0, readSync(reader, buffer))).to.equal(text);
      } finally {
        closeSync(reader);
      }
      expect(lstatSync(path).isFIFO()).to.equal(true);
      expect(readdirSync(directory)).to.deep.equal(['pipe']);
    });

    it('is written to a device, which stays', function () {
      const path = join(directory, 'null');
      // a user may make none, nor may root in some containers, and some file systems let none be opened
      if (process.getuid?.() !== 0 || spawnSync('mknod', [path, 'c', '1', '3']).status !== 0) this.skip();
      try {
        closeSync(openSync(path, 'w'));
      } catch {
        this.skip();
      }
      const {rdev} = lstatSync(path);
      writeCopy(path, record);
      expect([lstatSync(path).isCharacterDevice(), lstatSync(path).rdev]).to.deep.equal([true, rdev]);
      expect(readdirSync(directory)).to.deep.equal(['null']);
    });

    it('is written through a link, which stays', () => {
      const there = join(directory, 'there');
      mkdirSync(there);
      for (const [name, target] of [
        ['full', join(there, 'old')],
        ['dangling', join(there, 'new')],
        ['device', '/dev/null'],
      ] as const) {
        if (name === 'full') writeFileSync(target, 'old text that is longer than nothing');
        const path = join(directory, name);
        symlinkSync(target, path);
        writeCopy(path, record);
        expect(readlinkSync(path)).to.equal(target);
        if (name !== 'device') expect(readFileSync(target, 'utf8')).to.equal(text);
      }
      expect(lstatSync('/dev/null').isCharacterDevice()).to.equal(true);
      expect(readdirSync(there).sort()).to.deep.equal(['new', 'old']);
      expect(readdirSync(directory).sort()).to.deep.equal(['dangling', 'device', 'full', 'there']);
    });

    it('fails where there is no directory, and makes none', () => {
      const path = join(directory, 'missing', 'copy');
      const error = thrown(() => writeCopy(path, record));
      expect([error.code, error.exit, error.details.found]).to.deep.equal(['SPOOL_UNWRITABLE', EXIT.failure, 'ENOENT']);
      expect(error.message).to.include(`cannot write ${path}: `);
      expect(readdirSync(directory)).to.deep.equal([]);
    });

    it('fails at a directory, by a link too', () => {
      mkdirSync(join(directory, 'full'));
      symlinkSync('full', join(directory, 'link'));
      for (const name of ['full', 'link'])
        expect(thrown(() => writeCopy(join(directory, name), record)).details.found, name).to.equal('EISDIR');
      expect(readdirSync(directory).sort()).to.deep.equal(['full', 'link']);
    });
  });

  it('is made once, when two jobs start at the same time on a new node', () => {
    const spool = join(directory, 'state', 'spool');
    const {mkdirSync: real} = fs;
    try {
      // the other job makes the folder as soon as the one above it is there
      fs.mkdirSync = ((path: string, options: object) => {
        real(path, options);
        if (path === join(directory, 'state')) real(spool);
      }) as typeof real;
      syncBuiltinESMExports();
      makeDirectory(spool, 0o755);
      expect(statSync(spool).isDirectory()).to.equal(true);
    } finally {
      fs.mkdirSync = real;
      syncBuiltinESMExports();
    }
  });

  it('is not waited for where it can never be made', () => {
    expect(() => makeDirectory('/proc/self/x/y', 0o755)).to.throw('ENOENT');
  });
});
