import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {chmodSync, chownSync, mkdtempSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {EXIT, TareError} from '../../../src/errors.js';
import {policyFiles, readNamedJob, readPolicy, readText} from '../../../src/files/documents.js';
import {jobFiles} from '../../../src/files/job-files.js';
import {need} from '../../support/need.js';
import {thrown} from '../plan/build.js';
import {fakeFiles} from '../process/proc.js';

const files = jobFiles(null, '/');
const UID = process.getuid?.() ?? -1;

describe('documents', () => {
  let directory: string;
  let restore = (): void => undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-documents-'));
  });
  afterEach(() => {
    restore();
    restore = () => undefined;
    rmSync(directory, {recursive: true, force: true});
  });
  const write = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const rejected = async (promise: Promise<unknown>): Promise<TareError> => {
    const error: unknown = await promise.then(
      () => new Error('nothing was thrown'),
      (reason: unknown) => reason,
    );
    if (error instanceof TareError) return error;
    throw error as Error;
  };

  const unreadable: [title: string, make: () => string, message: string, found: string | undefined][] = [
    ['missing', () => join(directory, 'no'), 'the job cannot be read', 'no such file'],
    ['below a file', () => join(write('file', ''), 'x'), 'the job cannot be read', 'ENOTDIR'],
    ['a directory', () => directory, 'the job is not a file', undefined],
    ['a device', () => '/dev/zero', 'the job is not a file', undefined],
    [
      'a pipe without a writer',
      () => {
        execFileSync('mkfifo', [join(directory, 'pipe')]);
        return join(directory, 'pipe');
      },
      'the job is not a file',
      undefined,
    ],
    [
      'too large',
      () => {
        const file = write('large', '');
        truncateSync(file, 2 ** 20 + 1);
        return file;
      },
      'the job is too large',
      '1048577 bytes',
    ],
  ];
  for (const [title, make, message, found] of unreadable) {
    it(`that are ${title} are refused at once`, async () => {
      const file = make();
      const began = performance.now();
      const error = await rejected(readNamedJob(file, () => files));
      expect(performance.now() - began).to.be.below(1000);
      expect([error.code, error.exit, error.details.where, error.details.message, error.details.found]).to.deep.equal([
        'DOCUMENT_UNREADABLE',
        EXIT.failure,
        file,
        message,
        found,
      ]);
    });
  }

  it('may be as large as is allowed, and plans larger', () => {
    const file = write('large', '');
    truncateSync(file, 2 ** 20);
    expect(readText(file, 'policy').text).to.have.length(2 ** 20);
    // it is opened, and its first page cannot be read
    expect(() => readText('/proc/self/mem', 'policy')).to.throw(TareError, '/proc/self/mem: the policy cannot be read; found: EIO');
    truncateSync(file, 16 * 2 ** 20);
    for (const kind of ['plan', 'record'] as const) expect(readText(file, kind).text).to.have.length(16 * 2 ** 20);
    expect(thrown(() => readText(file, 'policy')).details.allowed).to.equal('1048576 bytes');
    truncateSync(file, 16 * 2 ** 20 + 1);
    expect(thrown(() => readText(file, 'plan')).code).to.equal('DOCUMENT_UNREADABLE');
  });

  it('are checked', async () => {
    expect(await readNamedJob(write('job.yaml', 'schema: tare/job/v1\ncommand: [a]\n'), () => files)).to.deep.equal({
      schema: 'tare/job/v1',
      command: ['a'],
    });
    expect((await rejected(readNamedJob(write('job.yaml', 'schema: tare/job/v1\ncommand: []\n'), () => files))).code).to.equal(
      'DOCUMENT_INVALID',
    );
  });

  describe('policies', () => {
    const POLICY = 'schema: tare/policy/v1\n';

    it('that were named are the only ones', async () => {
      const file = write('p.yaml', `${POLICY}grace: 3s\n`);
      const policy = await readPolicy(file, 1001);
      expect([policy.graceUs.value, policy.files]).to.deep.equal([3e6, [file]]);
      expect((await rejected(readPolicy(join(directory, 'no'), 1001))).code).to.equal('DOCUMENT_UNREADABLE');
    });

    it('of the node are one file and then its folder’s, in the order of their names', async () => {
      const real = (name: string, grace: number): string => write(name, `${POLICY}grace: ${grace}\n`);
      restore = fakeFiles(
        {
          '/etc/tare': ['policy.d', 'policy.yaml'],
          '/etc/tare/policy.d': ['20-b.yaml', '10-a.yml', 'README', '30-c.json', '05.yaml~', 'Z.yaml'],
          '/etc/tare/policy.yaml': real('0', 1),
          '/etc/tare/policy.d/10-a.yml': real('1', 2),
          '/etc/tare/policy.d/20-b.yaml': real('2', 3),
          '/etc/tare/policy.d/30-c.json': write('3', '{"schema":"tare/policy/v1","site":{"name":"X"}}'),
          '/etc/tare/policy.d/Z.yaml': write('4', POLICY),
        },
        '/etc/tare',
      );
      const files = [
        '/etc/tare/policy.yaml',
        ...['10-a.yml', '20-b.yaml', '30-c.json', 'Z.yaml'].map((name) => `/etc/tare/policy.d/${name}`),
      ];
      expect(policyFiles()).to.deep.equal(files);
      const policy = await readPolicy(null, 1001);
      expect(policy.files).to.deep.equal(files);
      expect([policy.graceUs.value, policy.graceUs.provenance.at, policy.site.name]).to.deep.equal([
        3e6,
        '/etc/tare/policy.d/20-b.yaml#/grace',
        'X',
      ]);
    });

    it('of a node without any are the built-in one', async () => {
      restore = fakeFiles({}, '/etc/tare');
      expect(policyFiles()).to.deep.equal([]);
      expect((await readPolicy(null, 1001)).files).to.deep.equal([]);
    });

    it('of the node that cannot be listed are an error, not no policy', () => {
      const files: Record<string, string[]> = {};
      Object.defineProperty(files, '/etc/tare/policy.d', {
        get: () => {
          throw Object.assign(new Error('EACCES: permission denied'), {code: 'EACCES'});
        },
      });
      restore = fakeFiles(files, '/etc/tare');
      expect(thrown(() => policyFiles()))
        .to.deep.include({code: 'DOCUMENT_UNREADABLE'})
        .and.to.have.nested.property('details.where', '/etc/tare/policy.d');
    });

    it('that others can change are not obeyed by root', async function () {
      const file = write('p.yaml', POLICY);
      for (const mode of [0o666, 0o664, 0o646]) {
        chmodSync(file, mode);
        const error = await rejected(readPolicy(file, 0));
        expect([error.code, error.exit, error.details.found]).to.deep.equal([
          'POLICY_INSECURE',
          EXIT.failure,
          `owner ${UID}, mode ${mode.toString(8)}`,
        ]);
        expect((await readPolicy(file, 1001)).files).to.deep.equal([file]);
      }
      need(this, UID === 0, 'only root can give files away');
      chmodSync(file, 0o644);
      expect((await readPolicy(file, 0)).files).to.deep.equal([file]);
      chownSync(file, 1001, 0);
      expect((await rejected(readPolicy(file, 0))).details.found).to.equal('owner 1001, mode 644');
    });
  });
});
