/** Our reading of APEL's rules against its own verdicts, and what we refuse besides. */

import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import {ownRefusals, readMessage, type MessageCheck} from '../../../plugins/apel/validate.js';
import {asMessage, carFields} from '../../support/car.js';

interface Vector {
  name: string;
  text: string;
  verdict: 'accept' | 'reject';
  error?: string;
  records?: Record<string, string | null>[];
}

const {vectors, oracle_now_epoch: now} = JSON.parse(
  readFileSync(new URL('../../../fixtures/apel/vectors.json', import.meta.url), 'utf8'),
) as {vectors: Vector[]; oracle_now_epoch: number};

/** Taken by APEL, refused by us, and why. */
const REFUSED: Record<string, RegExp> = {
  'a01_negative_wall.txt': /WallDuration is negative/,
  'a04_cpu_gt_wall_cores.txt': /CpuDuration is more than 10 x WallDuration x Processors/,
  'a06_no_submithost.txt': /no SubmitHost/,
  'a10_dup_field.txt': /WallDuration is given twice/,
  'a13_infra_bad.txt': /InfrastructureType is banana/,
  'a15_zero_start.txt': /StartTime is not after 1970/,
};

/** CAR, as APEL reads it: its fields by name. */
function readCar(text: string): MessageCheck {
  const read = carFields(text);
  return 'error' in read ? {verdict: 'reject', error: read.error} : readMessage(asMessage(read), now * 1e6);
}

describe('APEL’s rules', () => {
  it('have 47 verdicts to be compared with', () => {
    expect(vectors).to.have.length(47);
    expect(vectors.filter(({verdict}) => verdict === 'accept')).to.have.length.above(20);
    for (const name of Object.keys(REFUSED)) expect(vectors.map((vector) => vector.name)).to.include(name);
  });

  for (const {name, text, verdict, error, records} of vectors) {
    it(`${name}: ${verdict}${error === undefined ? '' : `, ${error}`}`, () => {
      const ours = text.startsWith('<') ? readCar(text) : readMessage(text, now * 1e6);
      expect(ours.verdict, 'error' in ours ? ours.error : '').to.equal(verdict);
      if (ours.verdict === 'reject') {
        // where an XML parser stops is its own business
        if (!name.startsWith('car_unescaped')) expect(ours.error).to.equal(error);
      } else {
        expect(ours.records).to.have.length(records?.length ?? -1);
        ours.records.forEach((fields, index) => {
          for (const [key, value] of fields) {
            const theirs = records?.[index]?.[key];
            if (typeof value === 'number' && key.endsWith('Time'))
              expect(theirs, key).to.equal(new Date(value * 1000).toISOString().slice(0, 19).replace('T', ' '));
            // an FQAN overrides what is said beside it
            else if (!/^(VO|FQAN)/.test(key) && theirs !== undefined) expect(String(value ?? 'None'), key).to.equal(theirs ?? 'None');
          }
        });
      }
      const refusals = ownRefusals(text);
      const expected = REFUSED[name];
      if (expected !== undefined) expect(refusals.join('; ')).to.match(expected);
      else if (verdict === 'accept' && text.startsWith('APEL-individual') && !name.startsWith('b14')) expect(refusals).to.deep.equal([]);
    });
  }

  it('refuse besides: no ASCII, no benchmark that is a number, no time in a zone, no processors', () => {
    const good = vectors.find(({name}) => name === 'good_v03.txt')?.text ?? '';
    const rows: [from: string, to: string, why: RegExp][] = [
      ['Queue: grid', 'Queue: gr\u00FCn', /ASCII only; found U\+00FC/],
      ['Queue: grid', 'Queue: gr\tid', /ASCII only; found U\+0009/],
      ['ServiceLevel: 14.37', 'ServiceLevel: nan', /ServiceLevel is not more than 0/],
      ['ServiceLevel: 14.37', 'ServiceLevel: -1', /ServiceLevel is not more than 0/],
      ['Processors: 8', 'Processors: 0', /Processors is not 1 or more/],
      ['Processors: 8\n', '', /Processors is not 1 or more/],
      ['StartTime: 1789999000', 'StartTime: 2026-09-21T13:56:40Z', /time zone/],
      ['CpuDuration: 26000', 'CpuDuration: -1', /CpuDuration is negative/],
    ];
    for (const [from, to, why] of rows) {
      const text = good.replace(from, to);
      expect(text).to.not.equal(good);
      expect(ownRefusals(text).join('; ')).to.match(why);
    }
    expect(readMessage(good.replace('1790002600', String(now + 3 * 86_400)), now * 1e6))
      .to.have.property('error')
      .that.contains('in the future');
    for (const digits of ['9'.repeat(14), '9'.repeat(400)])
      expect(readMessage(good.replace('1790002600', digits), now * 1e6), 'no calendar has it')
        .to.have.property('error')
        .that.contains('in the future');
    expect(readMessage('APEL-individual-job-message v0.3\n', 0)).to.include({error: 'Message header is incorrect: substring not found'});
  });
});
