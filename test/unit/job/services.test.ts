import {expect} from 'chai';
import {jobFromDocument} from '../../../src/job/load.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';

const read = (document: Partial<JobDocument>) =>
  jobFromDocument({schema: 'tare/job/v1', image: '/i', command: ['x'], ...document}, {file: 'j.yaml', callerDirectory: '/w'});
const message = (document: Partial<JobDocument>): string => {
  try {
    read(document);
  } catch (error) {
    return (error as Error).message;
  }
  return 'none';
};

describe('services of a job', () => {
  it('none are asked for where nothing is said', () => {
    expect(read({})).to.deep.include({init: null, services: []});
  });

  it('of the wrapper’s own init have a command, are root’s, and ready when they run', () => {
    expect(read({services: [{name: 'web', command: ['nginx']}]}).services).to.deep.equal([
      {name: 'web', at: 'j.yaml#/services/0', command: ['nginx'], user: 'root', ready: {when: 'started'}, restart: null},
    ]);
    expect(
      read({services: [{name: 'web', command: ['nginx'], user: 'job', ready: {port: 80, within: '10s'}}]}).services[0],
    ).to.deep.include({
      user: 'job',
      ready: {when: 'port', port: 80, withinUs: 10e6},
    });
  });

  it('of an image’s init are names', () => {
    const job = read({init: 'systemd', services: ['nginx.service', 'getty@tty1']});
    expect(job.init?.value).to.equal('systemd');
    expect(job.services.map(({name, command}) => [name, command])).to.deep.equal([
      ['nginx.service', null],
      ['getty@tty1', null],
    ]);
  });

  const wrong: [why: string, document: Partial<JobDocument>, words: string[]][] = [
    ['a name for the own init', {services: ['nginx']}, ['j.yaml#/services/0', '"nginx"', 'give the service a name and a command']],
    ['a command for another', {init: 'sysvinit', services: [{name: 'web', command: ['x']}]}, ['write the name alone: "web"']],
    ['no executable', {services: [{name: 'web', command: ['']}]}, ['j.yaml#/services/0/command/0', 'no executable']],
    ['one name twice', {services: ['a', 'a'].map((name) => ({name, command: ['x']}))}, ['another service has that name']],
    ['the same for another init', {init: 'openrc', services: ['a', 'a']}, ['another service has that name']],
    ['a name of the wrapper’s', {services: [{name: 'payload', command: ['x']}]}, ['the wrapper has an application of that name']],
    [
      'an application’s name',
      {services: [{name: 'a', command: ['x']}], command: undefined as never, applications: [{name: 'a', command: ['y']}]},
      ['an application has that name'],
    ],
  ];
  for (const [why, document, words] of wrong)
    it(`refused: ${why}`, () => {
      for (const word of words) expect(message(document)).to.include(word);
    });
});
