/** Tries programs in one box: by which filter on system calls they work, in every pattern that shares the node's files. */

import {expect} from 'chai';
import type {Pattern} from '../../src/job/job.js';
import {describeSite} from './describe-site.js';
import {LONG, need} from './need.js';
import {patience} from './pace.js';
import {programsDirectory, type Program} from './programs.js';
import type {RunOutput} from './tare.js';

type Profile = Program['by'];
/** With all of them the table takes some 4 minutes. */
const PATTERNS: readonly Pattern[] = LONG ? ['ulimit++', 'quotas++'] : ['ulimit++'];
const profilesOf = ({by}: Program): readonly Profile[] => (LONG || by === 'pilot' ? ['default', 'pilot'] : ['default']);

/** A suite for each role. */
export function tryInOneBox(about: string, programs: readonly Program[]): void {
  describeSite(`${about}, %s`, {timeout: patience(LONG ? 180_000 : 60_000)}, (site) => {
    const run = async ({script}: Program, pattern: Pattern, seccomp: Profile): Promise<RunOutput> => {
      const prepare = `programs=${programsDirectory()}; cd "$(mktemp -d -p .)" && `;
      const command = ['/bin/sh', '-c', prepare + script()];
      const job = pattern === 'ulimit++' ? ['--', ...command] : [site.job({applications: [{name: 'a', command}]})];
      const ended = await site.run(job, {policy: {seccomp}});
      expect(ended.record).to.include({pattern, seccomp, mode: 'box'});
      return {...ended, stdout: ended.stdout.replaceAll(/^a: /gm, ''), stderr: ended.stderr.replaceAll(/^a: /gm, '')};
    };

    for (const one of programs.filter(({long}) => LONG || !long))
      for (const pattern of PATTERNS)
        for (const profile of profilesOf(one)) {
          const works = profile === 'pilot' || one.by === 'default';
          it(`${one.name}: ${works ? 'works' : 'is refused'} by ${profile}, ${pattern}`, async function () {
            const reason = one.lacking();
            need(this, reason === null, reason ?? '');
            const {code, stdout, stderr} = await run(one, pattern, profile);
            if (works) {
              expect(code, stderr).to.equal(0);
              expect(stdout, stderr).to.match(one.prints);
            } else {
              expect([code === 0, stdout]).to.deep.equal([false, '']);
              expect(stderr).to.match(/Operation not permitted|No permissions to create a? ?new namespace/);
            }
          });
        }
  });
}
