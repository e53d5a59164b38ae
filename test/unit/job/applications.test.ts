import {expect} from 'chai';
import {TareError, TareErrors} from '../../../src/errors.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import {job} from '../plan/build.js';

const command = ['x'];
const messages = (document: Partial<Omit<JobDocument, 'schema'>>): string[] => {
  try {
    job(document);
    return [];
  } catch (error) {
    if (error instanceof TareErrors) return error.errors.map(({message}) => message);
    if (error instanceof TareError) return [error.message];
    throw error;
  }
};

describe('applications of a job', () => {
  it('are as they are written, with what is not', () => {
    const {applications, command: none} = job({
      applications: [
        {name: 'a', command, memory: '1GiB', cores: 1.5, ready: {file: 'up', within: '2s'}},
        {name: 'b', command, workDirectory: '/elsewhere', needs: ['a'], ready: {port: 80}, environment: {A: 1, B: null}},
      ],
      onOom: 'kill-application',
    });
    expect(none).to.deep.equal([]);
    expect(applications).to.include({primary: null, onFailure: 'stop-all', onOom: 'kill-application', output: 'prefixed'});
    const [a, b] = applications?.list ?? [];
    expect(a).to.deep.include({workDirectory: '/home/atlas001/job', needs: [], restart: null});
    expect(a?.ready).to.deep.equal({when: 'file', path: '/home/atlas001/job/up', withinUs: 2e6});
    expect(a?.memory).to.deep.equal({value: 2 ** 30, provenance: {source: 'job', at: 'job.yaml#/applications/0/memory'}});
    expect(b?.ready).to.deep.equal({when: 'port', port: 80, withinUs: 300e6});
    expect(b?.environment['A']?.value).to.equal('1');
    expect(b?.needs[0]?.provenance.at).to.equal('job.yaml#/applications/1/needs/0');
  });

  const rows: [string, Partial<Omit<JobDocument, 'schema'>>, RegExp][] = [
    ['a command too', {command, applications: [{name: 'a', command}]}, /#\/command: a job has a command or applications, not both/],
    ['primary without applications', {primary: 'a'}, /#\/primary: primary is about several applications/],
    ['onFailure without applications', {onFailure: 'continue'}, /#\/onFailure: onFailure is about several/],
    [
      'another’s name',
      {
        applications: [
          {name: 'a', command},
          {name: 'a', command},
        ],
      },
      /#\/applications\/1: two applications have the same name/,
    ],
    [
      'an unknown need',
      {applications: [{name: 'a', command, needs: ['b']}]},
      /needs\/0: there is no such application; found: "b"; allowed: a/,
    ],
    ['itself', {applications: [{name: 'a', command, needs: ['a']}]}, /need each other can never start; found: a needs a/],
    [
      'a circle',
      {
        applications: [
          {name: 'a', command, needs: ['c']},
          {name: 'b', command, needs: ['a']},
          {name: 'c', command, needs: ['b']},
        ],
      },
      /found: a needs c needs b needs a/,
    ],
    ['an unknown primary', {applications: [{name: 'a', command}], primary: 'z'}, /#\/primary: there is no such application; found: "z"/],
    [
      'the end of the primary',
      {
        applications: [
          {name: 'a', command},
          {name: 'b', command, needs: ['a']},
        ],
        primary: 'a',
      },
      /the job ends when its primary application does/,
    ],
    ['no end', {applications: [{name: 'a', command, restart: {on: 'always', limit: 3}}]}, /the job would never end/],
    [
      'the end of what has none',
      {
        applications: [
          {name: 'a', command, restart: {on: 'always', limit: 3}},
          {name: 'b', command, needs: ['a']},
        ],
        primary: 'b',
      },
      /it is always started again, so nothing can wait for its end/,
    ],
    ['no program', {applications: [{name: 'a', command: ['']}]}, /#\/applications\/0\/command\/0: no executable/],
    ['no memory', {applications: [{name: 'a', command, memory: 0}]}, /#\/applications\/0\/memory: nothing can run with that/],
    ['no time', {applications: [{name: 'a', command, ready: {port: 1, within: 'soon'}}]}, /#\/applications\/0\/ready/],
  ];
  for (const [title, document, expected] of rows) {
    it(`with ${title} are refused`, () => {
      expect(messages(document).join('\n')).to.match(expected);
    });
  }

  it('with everything wrong are told everything at once', () => {
    const all = messages({command, primary: 'z', applications: [{name: 'a', command: [''], needs: ['a', 'q'], memory: 'much'}]});
    expect(all.length).to.be.at.least(5);
  });
});
