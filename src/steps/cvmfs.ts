/** Repositories of CVMFS. */

import {formatDuration} from '../job/quantity.js';
import {canonicalJson} from '../plan/canonical.js';
import {mountStep, repositoryOf} from '../plan/cvmfs.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Here, Misfit, SomeSteps} from './def.js';

const OTHERWISE = {refuse: 'the job is not run here', without: 'the job is run without it', record: 'it is recorded'} as const;

const isRepository = (path: string, root: string): boolean => repositoryOf(path, root) === path.slice(root.length + 1);

/** What root would hold, look at and bind are repositories. */
function misfit(message: string, path: string, isBound: boolean, {plan, policy}: Here): Misfit | null {
  const {root} = ruleOf({plan, policy}).value;
  return isRepository(path, root) && isBound ? null : {message, found: path, allowed: `${root}/NAME`};
}

const ruleOf = ({plan, policy}: Pick<Here, 'plan' | 'policy'>): Here['policy']['cvmfs'] =>
  policy.rules.find(({name}) => name === plan.rule)?.set.cvmfs ?? policy.cvmfs;

function checkMount(step: StepOf<'cvmfs.mount'>, here: Here): Misfit | null {
  const {plan, facts} = here;
  const {value, provenance} = ruleOf(here);
  const {root, mount} = value;
  if (!isRepository(`${step.root}/${step.repository}`, root))
    return {message: 'it mounts a directory that is not a repository', found: step.repository, allowed: `${root}/NAME`};
  const isUser = facts.caller.uid !== 0;
  const account = isUser ? facts.caller.uid : (stepOf(plan, 'identity.take')?.uid ?? 0);
  const how = {root, account, isUser, repositories: stepsOf(plan, 'cvmfs.mount').length, at: provenance.at};
  const own = mount === null ? null : mountStep(step.repository, mount, how);
  if (own !== null && canonicalJson({...step, because: ''}) === canonicalJson({...own, because: ''})) return null;
  return {
    message: 'it mounts a repository in another way than the policy',
    found: canonicalJson(step),
    allowed: canonicalJson(own ?? {}),
  };
}

/** Rows of the steps for repositories of CVMFS. */
export const CVMFS_STEPS = {
  'cvmfs.probe': {
    by: ['node'],
    section: 'Repositories',
    rows: ({repository, minimumRevision, deadlineUs, waitUs, otherwise}) => {
      const wait = waitUs === 0 ? '' : `waits up to ${formatDuration(waitUs)}, then `;
      const oldest = minimumRevision === null ? 'any' : String(minimumRevision);
      return [[repository, oldest, formatDuration(deadlineUs), wait + OTHERWISE[otherwise]]];
    },
    check: ({root, repository}, here) => {
      const isRoot = root === ruleOf(here).value.root;
      return misfit('it looks at what is no repository', `${root}/${repository}`, isRoot, here);
    },
  },
  'mount.pin': {
    by: ['shim'],
    section: null,
    check: ({path}, here) => misfit('it holds what is no repository', path, true, here),
    enter: ({path}) => ['hold', path],
  },
  'cvmfs.mount': {
    // the supervisor mounts it for the job, enter brings it into the box
    by: ['node', 'shim'],
    section: 'Mounts',
    rows: ({root, repository, client, sharedCache}) => [
      [`${root}/${repository}`, client, `ro,nosuid,nodev, cache ${sharedCache ?? 'of its own'}`],
    ],
    check: checkMount,
  },
  'cvmfs.bind': {
    by: ['engine'],
    section: 'Mounts',
    rows: ({destination, source}) => [[destination, source, 'ro,nosuid,nodev']],
    check: ({source, destination}, here) => misfit('it binds what is no repository', source, source === destination, here),
  },
} satisfies SomeSteps;
