/** Events of files that users have written: none of them ends what prints the events of all. */
import {expect} from 'chai';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {LiveBox} from '../../../src/live/box-view.js';
import {showAllEvents} from '../../../src/live/events.js';

const LARGEST = Number.MAX_SAFE_INTEGER;

describe('events of all boxes', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-events-'));
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  /** A box whose file of events has these lines. */
  const box = (id: string, lines: readonly string[]): LiveBox => {
    const directory = join(base, id);
    mkdirSync(directory);
    writeFileSync(join(directory, 'events.jsonl'), lines.join('\n'), {mode: 0o600});
    return {id, name: `job-${id}`, directory, uid: process.getuid?.() ?? 0} as LiveBox;
  };
  const shown = async (boxes: readonly LiveBox[], json: ((event: object) => string) | null): Promise<string[]> => {
    const lines: string[] = [];
    const write = (line: string): boolean => lines.push(line) > 0;
    await showAllEvents(() => boxes, {follow: false, json, sinceUs: null, write});
    return lines;
  };

  it('leaves out times that no clock has, and prints the largest', async () => {
    const times = ['1e300', '-1', '-1e300', '9007199254740992', String(LARGEST)];
    const lines = times.map((us, index) => `{"seq":${String(index + 1)},"us":${us},"type":"recorded"}`);
    const found = await shown([box('ab', lines), box('cd', ['{"seq":1,"us":5,"type":"recorded"}'])], null);
    expect(found).to.have.length(2);
    expect(found[0]).to.match(/^\d{4}-\S+Z cd job-cd recorded$/);
    expect(found[1]).to.match(/^2\d{3}-\S+Z ab job-ab recorded$/);
  });

  it('an event does not say whose it is', async () => {
    const [line = ''] = await shown([box('ab', ['{"seq":1,"us":5,"type":"recorded","box":"cd","name":"other"}'])], JSON.stringify);
    expect(JSON.parse(line)).to.deep.equal({seq: 1, us: 5, type: 'recorded', box: 'ab', name: 'job-ab'});
  });
});
