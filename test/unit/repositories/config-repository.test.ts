import {expect} from 'chai';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {StepOf} from '../../../src/plan/step.js';
import {configOf, configRepositoryOf} from '../../../src/repositories/config-repository.js';

describe('the client’s own directory of parameters', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-config-'));
    mkdirSync(join(directory, 'default.d'));
  });
  afterEach(() => {
    rmSync(directory, {recursive: true});
  });
  const step = (more: Partial<StepOf<'cvmfs.mount'>> = {}): StepOf<'cvmfs.mount'> => ({
    ...{op: 'cvmfs.mount', repository: 'sim.example.org', root: '/cvmfs', client: '/c', config: [], parameters: [], sharedCache: null},
    ...{deadlineUs: 1, user: false, because: '', configDirectory: directory},
    ...more,
  });
  const write = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text);
  };

  it('the last of its defaults that names a configuration repository counts, and the policy more', () => {
    expect(configRepositoryOf(step())).to.equal(null);
    write('default.conf', 'CVMFS_CONFIG_REPOSITORY=one.example.org\n');
    write(
      'default.d/60-site.conf',
      '# CVMFS_CONFIG_REPOSITORY=no.example.org\n  readonly CVMFS_CONFIG_REPOSITORY="two.example.org" # ours\n',
    );
    write('default.d/50-osg.conf', 'CVMFS_CONFIG_REPOSITORY=three.example.org\n');
    write('default.d/70-other', 'CVMFS_CONFIG_REPOSITORY=no.example.org\n');
    expect(configRepositoryOf(step())).to.equal('two.example.org');
    expect(configRepositoryOf(step({repository: 'two.example.org'}))).to.equal(null);
    expect(configRepositoryOf(step({configRepository: 'four.example.org'}))).to.equal('four.example.org');
    write('default.d/80-none.conf', 'CVMFS_CONFIG_REPOSITORY=\n');
    expect(configRepositoryOf(step())).to.equal(null);
    const {configDirectory, ...without} = step();
    expect([configDirectory, configRepositoryOf(without)]).to.deep.equal([directory, null]);
  });

  it('is read in the client’s order, with the configuration repository between', () => {
    write('default.d/50-osg.conf', '');
    const place = {repository: 'config.example.org', directory: '/f/mnt', mounter: 7};
    const {own, files} = configOf(step(), '/f', place);
    const external = '/f/mnt/config.example.org/etc/cvmfs';
    expect(files).to.deep.equal([
      ...['/f/base', `${directory}/default.conf`, `${directory}/default.d/50-osg.conf`, '/f/named'],
      ...[`${external}/default.conf`, `${directory}/default.local`],
      ...[`${external}/domain.d/example.org.conf`, `${directory}/domain.d/example.org.conf`, `${directory}/domain.d/example.org.local`],
      ...[`${external}/config.d/sim.example.org.conf`],
      ...[`${directory}/config.d/sim.example.org.conf`, `${directory}/config.d/sim.example.org.local`, '/f/config'],
    ]);
    expect(own.base).to.equal("CVMFS_FQRN='sim.example.org'\nCVMFS_BASE_ENV='1'\nCVMFS_MOUNT_DIR='/f/mnt'\n");
    expect(own.named).to.equal("CVMFS_CONFIG_REPOSITORY='config.example.org'\n");
    expect(configOf(step(), '/f', null).files.filter((path) => path.startsWith('/f/'))).to.deep.equal(['/f/base', '/f/config']);
  });
});
