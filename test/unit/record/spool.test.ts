import {expect} from 'chai';
import {spawn} from 'node:child_process';
import fs, {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
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
import {makeDirectory, writeDurably} from '../../../src/record/durable.js';
import {writeRecord, writeRecordTo} from '../../../src/record/spool.js';
import {plan, thrown, USER} from '../plan/build.js';

const recordPath = (spool: string, id: string): string => join(spool, `${id}.json`);

const record: UsageRecord = startedRecord(
  {
    lrms: {type: 'none', host: 'wn001', queue: null, localJobId: null, globalJobId: 'wn001#ab', attempt: 1},
    identity: USER,
    vo: null,
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

  it('is not stopped by what a brain that died left behind', () => {
    const path = recordPath(directory, record.recordId);
    writeFileSync(`${path}.tmp`, 'half a rec');
    writeRecord(directory, record);
    expect(readFileSync(path, 'utf8')).to.equal(`${canonicalJson(record)}\n`);
    expect(existsSync(`${path}.tmp`)).to.equal(false);
  });

  it('does not follow a link at the temporary name, nor at the record’s', () => {
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'mine');
    const path = recordPath(directory, record.recordId);
    symlinkSync(victim, `${path}.tmp`);
    symlinkSync(victim, path);
    writeRecord(directory, record);
    expect(readFileSync(victim, 'utf8')).to.equal('mine');
    expect(lstatSync(path).isSymbolicLink()).to.equal(false);
  });

  it('does not write through a link that comes after the temporary name was cleared', () => {
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'mine');
    symlinkSync(victim, `${recordPath(directory, record.recordId)}.tmp`);
    const {rmSync: real} = fs;
    try {
      // as if the link were put there between the removal and the opening
      fs.rmSync = () => undefined;
      syncBuiltinESMExports();
      expect(thrown(() => writeRecord(directory, record)).details.found).to.equal('EEXIST');
    } finally {
      fs.rmSync = real;
      syncBuiltinESMExports();
    }
    expect(readFileSync(victim, 'utf8')).to.equal('mine');
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
    ['where nobody can make files', () => '/proc/self'],
    [
      'with a directory at the temporary name',
      () => {
        mkdirSync(join(directory, `${record.recordId}.json.tmp`, 'x'), {recursive: true});
        return directory;
      },
    ],
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
    expect(thrown(() => writeRecordTo(join(directory, 'target'), record)).code).to.equal('SPOOL_UNWRITABLE');
    expect(readdirSync(directory)).to.deep.equal(['target']);
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
