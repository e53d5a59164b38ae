import {expect} from 'chai';
import {repositoryOf} from '../../../src/plan/cvmfs.js';
import {explainPlan} from '../../../src/steps/explain.js';
import {stepsOf} from '../../../src/plan/step.js';
import {plan, ROOT, thrown} from './build.js';

const NAMES = ['atlas.cern.ch', 'sft.cern.ch'];

describe('repositories in a plan', () => {
  it('none named, none required: all that the node has is in the box, and nothing is looked at', () => {
    expect(plan().steps.filter(({op}) => /^(?:cvmfs\.|mount\.pin$)/.test(op))).to.deep.equal([]);
  });

  it('named ones are looked at, held and bound, in an otherwise empty directory', () => {
    const {steps} = plan({job: {cvmfs: NAMES}});
    const ops = steps.flatMap((step, index) =>
      /^(?:cvmfs\.|mount\.pin$)/.test(step.op) || ('destination' in step && step.destination === '/cvmfs') ? [{...step, index}] : [],
    );
    expect(ops.map(({op}) => op)).to.deep.equal([
      ...['cvmfs.probe', 'mount.pin', 'cvmfs.probe', 'mount.pin'],
      ...['mount.tmpfs', 'cvmfs.bind', 'cvmfs.bind', 'mount.readonly'],
    ]);
    expect(ops[0]).to.include({
      repository: NAMES[0],
      deadlineUs: 20e6,
      shareUs: 10e6,
      waitUs: 0,
      otherwise: 'refuse',
      because: 'job.yaml#/cvmfs/0',
    });
    expect(ops[5]).to.include({source: '/cvmfs/atlas.cern.ch', destination: '/cvmfs/atlas.cern.ch'});
    // held before enter has mounts of its own
    const unshared = steps.findIndex(({op}) => op === 'view.unshare');
    expect(unshared === -1 || unshared > (ops[3]?.index ?? 0)).to.equal(true);
  });

  it('required ones are looked at; they hide nothing, unless the job names others', () => {
    const policy = {
      cvmfs: {required: ['sft.cern.ch'], minimumRevision: {'sft.*': 100, '*': 1}, onFailure: {wait: '1m', then: 'without' as const}},
    };
    const required = plan({policy});
    expect(stepsOf(required, 'cvmfs.bind')).to.deep.equal([]);
    const [probe, ...others] = stepsOf(required, 'cvmfs.probe');
    expect(others).to.deep.equal([]);
    expect(probe).to.include({repository: 'sft.cern.ch', minimumRevision: 100, waitUs: 60e6, otherwise: 'without'});
    expect(stepsOf(plan({policy, job: {cvmfs: ['atlas.cern.ch']}}), 'cvmfs.bind').map(({repository}) => repository)).to.deep.equal(NAMES);
  });

  it('the repository of an image is looked at and held, and is no more in the box than others', () => {
    const made = plan({
      job: {image: '/cvmfs/unpacked.cern.ch/x', cvmfs: ['atlas.cern.ch']},
      policy: {images: ['/cvmfs/unpacked.cern.ch/*'], box: 'optional', mode: 'enforce'},
      facts: {views: {user: false, overlay: YES, options: [], fuse: YES, mounts: [], writable: []}},
    });
    expect(stepsOf(made, 'mount.pin').map(({repository}) => repository)).to.deep.equal(['atlas.cern.ch', 'unpacked.cern.ch']);
    expect(stepsOf(made, 'cvmfs.bind').map(({repository}) => repository)).to.deep.equal(['atlas.cern.ch']);
    expect(stepsOf(made, 'mount.point').map(({path}) => path)).to.include('/cvmfs');
  });

  it('only observed, nothing is refused, held or hidden', () => {
    const made = plan({policy: {mode: 'observe'}, job: {cvmfs: NAMES}});
    expect(made.steps.filter(({op}) => /^(?:cvmfs\.|mount\.pin$)/.test(op)).map(({op}) => op)).to.deep.equal([
      'cvmfs.probe',
      'cvmfs.probe',
    ]);
    expect(stepsOf(made, 'cvmfs.probe')[0]?.otherwise).to.equal('record');
  });

  const MOUNT = {client: '/opt/cvmfs2', servers: ['http://s/cvmfs/@fqrn@'], proxies: 'DIRECT', cache: {quota: '1 GiB'}};

  it('where the policy says how, each is mounted that the node has not got, that of an image too; none when only observed', () => {
    const mounts = stepsOf(plan({policy: {cvmfs: {mount: MOUNT}}, job: {cvmfs: NAMES}}), 'cvmfs.mount');
    expect(mounts.map(({repository}) => repository)).to.deep.equal(NAMES);
    expect(mounts[0]).to.include({root: '/cvmfs', client: '/opt/cvmfs2', sharedCache: null, deadlineUs: 60e6, user: true});
    expect(mounts[0]?.parameters).to.deep.include({name: 'CVMFS_QUOTA_LIMIT', value: '512'});
    const shared = plan({policy: {cvmfs: {mount: {...MOUNT, cache: {shared: '/cache/'}}}}, job: {cvmfs: NAMES}, facts: {caller: ROOT}});
    expect(stepsOf(shared, 'cvmfs.mount')[0]).to.include({sharedCache: '/cache/1001', user: false});
    const image = plan({
      ...{job: {image: '/cvmfs/unpacked.cern.ch/x'}, policy: {images: ['/cvmfs/unpacked.cern.ch/*'], cvmfs: {mount: MOUNT}}},
      facts: {views: {user: false, overlay: YES, options: [], fuse: YES, mounts: [], writable: []}},
    });
    expect(stepsOf(image, 'cvmfs.mount').map(({repository}) => repository)).to.deep.equal(['unpacked.cern.ch']);
    expect(stepsOf(plan({policy: {mode: 'observe', cvmfs: {mount: MOUNT}}, job: {cvmfs: NAMES}}), 'cvmfs.mount')).to.deep.equal([]);
  });

  it('a work directory there stays read-only', () => {
    const made = plan({job: {workDirectory: '/cvmfs/atlas.cern.ch/x'}});
    expect(stepsOf(made, 'mount.bind').filter(({source}) => source.startsWith('/cvmfs'))).to.deep.equal([]);
  });

  it('what the policy does not allow is refused', () => {
    const error = thrown(() => plan({policy: {cvmfs: {allowed: ['atlas*']}}, job: {cvmfs: NAMES}}));
    expect(error.code).to.equal('CVMFS_FORBIDDEN');
    expect(error.message).to.match(/job\.yaml#\/cvmfs\/1: .*found: "sft\.cern\.ch"; allowed: atlas\*/);
    expect(plan({policy: {cvmfs: {allowed: [], required: NAMES}}, job: {cvmfs: NAMES}}).steps).to.not.be.empty;
  });

  it('a rule replaces it as a whole', () => {
    const policy = {cvmfs: {required: NAMES}, rules: [{match: {}, cvmfs: {deadline: '5s'}}]};
    expect(stepsOf(plan({policy}), 'cvmfs.probe')).to.deep.equal([]);
    expect(stepsOf(plan({policy, job: {cvmfs: NAMES}}), 'cvmfs.probe')[0]?.deadlineUs).to.equal(5e6);
  });

  it('is explained', () => {
    const section = explainPlan(plan({job: {cvmfs: ['atlas.cern.ch']}})).find(({title}) => title === 'Repositories');
    expect(section?.rows).to.deep.equal([['atlas.cern.ch', 'any', '20s', 'the job is not run here', 'job.yaml#/cvmfs/0']]);
  });

  it('the repository of a path', () => {
    const of = (path: string): string | null => repositoryOf(path, '/cvmfs');
    expect(['/cvmfs/a.b/c', '/cvmfs/a.b', '/cvmfs', '/cvmfs/', '/cvmfsx/a', '/cvmfs/../x', '/x'].map(of)).to.deep.equal([
      ...['a.b', 'a.b', null, null, null, null, null],
    ]);
  });
});

const YES = {available: true, how: 'a test', remedy: null};
