import {join} from 'node:path';
import {expect} from 'chai';
import {splitExec, withWholePaths} from '../../../src/commands/shared/exec-words.js';

describe('where the command of tare exec begins', () => {
  const cases: [string, string, string | null][] = [
    ['5c1f -- ps axu', '5c1f', 'ps axu'],
    ['5c1f --env A=1 -- sh -c x -- y', '5c1f --env A=1', 'sh -c x -- y'],
    ['5c1f ps axu', '5c1f', 'ps axu'],
    ['-it simulate bash', '-it simulate', 'bash'],
    ['-e A=1 --env B 5c1f env -i', '-e A=1 --env B 5c1f', 'env -i'],
    ['--env=A=1 5c1f --application a env --', '--env=A=1 5c1f --application a', 'env --'],
    ['5c1f sh -- x', '5c1f', 'sh -- x'],
    ['5c1f', '5c1f', null],
    ['5c1f --', '5c1f', null],
    ['', '', null],
    ['-e', '-e', null],
    ['-- true', '', 'true'],
    ['5c1f -', '5c1f', '-'],
  ];
  for (const [written, own, command] of cases)
    it(JSON.stringify(written), () => {
      const argv = written.split(' ').filter((word) => word !== '');
      const split = splitExec(argv);
      expect(split.own.join(' ')).to.equal(own);
      expect(split.begin === null ? null : argv.slice(split.begin).join(' ')).to.equal(command);
    });

  it('name the policy by a whole path for a process in another directory; words of the command stay as they are', () => {
    const argv = ['--policy', 'p.yaml', 'id', '--policy=q.yaml', '-e', 'A=p', '--', '--policy', 'r.yaml'];
    expect(withWholePaths(argv, 7)).to.deep.equal([
      '--policy',
      join(process.cwd(), 'p.yaml'),
      'id',
      `--policy=${join(process.cwd(), 'q.yaml')}`,
      ...['-e', 'A=p', '--', '--policy', 'r.yaml'],
    ]);
  });
});
