import {readFileSync, readdirSync} from 'node:fs';
import {expect} from 'chai';
import {TareError, TareErrors, type ErrorCode} from '../../../src/errors.js';
import {parseDocument} from '../../../src/job/document.js';
import {jobFromDocument} from '../../../src/job/load.js';
import {policyFromDocuments} from '../../../src/policy/load.js';
import {applyRules} from '../../../src/policy/match.js';
import {refusals} from '../../../src/policy/refusals.js';

interface Row {
  job: string | null;
  policy: string | null;
  exit: number;
  code: ErrorCode;
  /** null: the error is at a line and column, or of the whole file. */
  pointer: string | null;
  says: string;
}

const root = new URL('../../../', import.meta.url);
const table = JSON.parse(readFileSync(new URL('fixtures/bad.json', root), 'utf8')) as Row[];
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');

async function load({job: jobFile, policy: policyFile}: Row): Promise<void> {
  const policy = policyFromDocuments(
    policyFile === null
      ? []
      : [{file: policyFile, document: await parseDocument({text: read(policyFile), file: policyFile, kind: 'policy'})}],
  );
  if (jobFile === null) return;
  const document = await parseDocument({text: read(jobFile), file: jobFile, kind: 'job'});
  const job = jobFromDocument(document, {file: jobFile, callerDirectory: '/home/u'});
  const pattern = job.pattern.value === 'auto' ? 'ulimit++' : job.pattern.value;
  const errors = refusals(job, pattern, applyRules(policy, {vo: job.vo, user: 'u', queue: job.queue, pattern}));
  if (errors[0] !== undefined) throw new TareErrors(errors);
}

describe('bad documents: every mistake is named, with its place and what is allowed', () => {
  for (const row of table) {
    const name = [row.job, row.policy]
      .filter((file) => file !== null)
      .join(' + ')
      .replaceAll('fixtures/', '');
    it(`${name}: ${row.code}`, async () => {
      const thrown = await load(row).then(
        () => null,
        (error: unknown) => error,
      );
      expect(thrown).to.satisfy((error: unknown) => error instanceof TareError || error instanceof TareErrors, String(thrown));
      const errors = thrown instanceof TareErrors ? thrown.errors : [thrown as TareError];
      // One mistake, one message: nothing else in the file is complained of.
      expect(errors.map((error) => error.message)).to.have.length(1);
      const [error] = errors as [TareError];
      expect(error.code).to.equal(row.code);
      expect(error.exit).to.equal(row.exit);
      expect(error.message).to.include(row.says).and.not.include('\n');
      const where = error.details.where ?? '';
      const file = [row.job, row.policy].find((one) => one !== null && where.startsWith(one)) ?? '';
      expect(file).to.not.equal('');
      if (row.pointer === null) expect(where).to.match(/:\d+:\d+$/);
      else expect(where).to.equal(row.pointer === '' ? file : `${file}#${row.pointer}`);
    });
  }

  it('has a row for every file, and at least 34 of them', () => {
    const files = ['jobs', 'policies'].flatMap((kind) =>
      readdirSync(new URL(`fixtures/${kind}/bad/`, root)).map((file) => `fixtures/${kind}/bad/${file}`),
    );
    const listed = table.flatMap(({job, policy}) => [job, policy]).filter((file) => file !== null);
    expect(new Set(listed)).to.deep.equal(new Set(files));
    expect(table.length).to.be.at.least(34);
  });
});
